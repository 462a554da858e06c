"""`Question`: one request to a language model, made of a sheet and of what may be shown of its stretch of the clip.

What was taken from the clip stands between two lines that hold a token. The token is the hash of clip and prompts, so
nobody who made the clip could know it, and it is taken out of the material: nothing said can end the fence.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emotrace.evidence.observation import EvidenceSheet, Observation, clean
from emotrace.evidence.reasoning.material import Picture
from emotrace.evidence.reasoning.requests import Image, Part, Sound, Text
from emotrace.hydra.asking.prompts import Form, Step, lines, name_of, prompts_sha256, system_prompt
from emotrace.hydra.asking.reading import Asked
from emotrace.hydra.asking.schemas import reply_schema
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.verify import Verification

_SPEECH = re.compile(r"(?<!\w)'.*'(?!\w)")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question. Two with equal `sha256` ask the same: the reply to one answers the other."""

    asked: Asked
    pictures: tuple[Picture, ...] = ()
    sound: bytes | None = None
    said: tuple[str, ...] = ()
    """What is said in the stretch, a clean line each."""
    held: tuple[Hypothesis, ...] = ()
    """For `propose`: what was proposed before."""
    words: bool = True
    """Whether quoted speech may be sent; else it is blanked on the sheet too."""
    faults: tuple[str, ...] = ()
    """For a second asking: what was wrong with the first reply."""
    earlier: str = ""
    """For a second asking: how the first reply began."""

    @cached_property
    def fence(self) -> str:
        """The token around what was taken from the clip."""
        return hashlib.sha256(f"{self.asked.sheet.clip_id} {prompts_sha256()}".encode()).hexdigest()[:16]

    @cached_property
    def material(self) -> str:
        """Sheet and speech as text, without the fence."""
        told = [*sheet_lines(self.asked.sheet, words=self.words)]
        if self.said and self.words:
            told += [lines()["said"], *self.said]
        return "\n".join(told).replace(self.fence, "")

    def system(self, form: Form) -> str:
        """The fixed words."""
        return system_prompt(self.asked.step, k=self.asked.k, form=form, fence=self.fence)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the reply."""
        return reply_schema(self.asked.step, self.asked.sheet, k=self.asked.k)

    def parts(self, *, vision: bool, audio: bool) -> tuple[Part, ...]:
        """What is sent after the fixed words: the fenced material, explanations, frames with their times, sound.

        Args:
            vision: Whether the server takes pictures; without them none are sent.
            audio: The same for sound.
        """
        say = lines()
        border = f"===== {self.fence} ====="
        parts: list[Part] = [Text(text="\n".join([border, self.material, border]))]
        if given := self._given():
            parts.append(Text(text=given))
        for number, picture in enumerate(self.pictures if vision else (), start=1):
            parts.append(Text(text=say["frame"].format(number=number, seconds=f"{picture.time_seconds:.2f}")))
            parts.append(Image(jpeg=picture.jpeg))
        if audio and self.sound is not None:
            span = self.asked.sheet.span
            parts += [Text(text=say["sound"].format(seconds=f"{span.duration_seconds:.2f}")), Sound(wav=self.sound)]
        if self.faults:
            faults = "\n".join(f"- {fault}" for fault in self.faults)
            parts.append(Text(text=say["again"].format(faults=faults, reply=self.earlier)))
        return tuple(parts)

    def sha256(self, **settings: object) -> str:
        """Of everything that the reply depends on besides the model; it can be told before a server is asked.

        Args:
            **settings: Temperature, seed and the like.
        """
        media = [hashlib.sha256(picture.jpeg).hexdigest() for picture in self.pictures]
        times = [picture.time_seconds for picture in self.pictures]
        sound = None if self.sound is None else hashlib.sha256(self.sound).hexdigest()
        asked = [self.asked.step, self.asked.k, prompts_sha256(), self.fence, self.material, self._given()]
        whole = [*asked, media, times, sound, self.faults, self.earlier, sorted(settings.items())]
        return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()

    def _given(self) -> str:
        """The hypotheses that the step is about, as text."""
        step = self.asked.step
        if self.held:
            return "\n".join([lines()["held"], *(_told(step, each, None) for each in self.held)])
        judged = {each.number: each for each in self.asked.verifications}
        return "\n".join(_told(step, each, judged.get(each.number)) for each in self.asked.hypotheses)


def sheet_lines(sheet: EvidenceSheet, *, words: bool = True) -> Iterable[str]:
    """The sheet as text, a line each: stretch and person, observations, what is missing.

    Args:
        sheet: The evidence.
        words: Whether quoted speech may be told; without it, what stands in quotation marks is withheld.
    """
    say = lines()
    untimed = "_untimed" if sheet.span.duration_seconds == 0.0 else ""  # as of a description without its clip
    yield say[f"sheet{untimed}"].format(
        seconds=f"{sheet.span.duration_seconds:.2f}", person=f"person {clean(sheet.person or 'unknown')}"
    )
    for observation in sheet.observations:
        yield say[f"observation{untimed}"].format(
            id=observation.id,
            start=f"{observation.span.start_seconds:.2f}",
            end=f"{observation.span.end_seconds:.2f}",
            strength=f"{observation.strength:.1f}",
            certainty=f"{observation.confidence * sheet.reliability.get(observation.modality, 1.0):.1f}",
            text=_text_of(observation, words),
        )
    for modality, reason in sheet.missing.items():
        yield say["missing"].format(modality=modality, reason=reason.replace("_", " "))


def _text_of(observation: Observation, words: bool) -> str:
    withheld = not words and observation.modality in ("verbal", "joint")
    return _SPEECH.sub(f"({lines()['masked']})", observation.text) if withheld else observation.text


def _told(step: Step, hypothesis: Hypothesis, judged: Verification | None) -> str:
    """A hypothesis in a line, with its marks where it was verified."""
    head = lines()["explanation"].format(
        name=name_of(step, hypothesis.number),
        perspective=hypothesis.perspective,
        labels=", ".join(hypothesis.labels),
    )
    told = [head, *([hypothesis.story] if hypothesis.story else [])]
    for mark in ("supports", "contradicts", "silent") if judged is not None else ():
        ids = [id for id, given in (judged.marks.items() if judged is not None else ()) if given == mark]
        told += [f"{mark}: {', '.join(ids)}"] if ids else []
    return "; ".join(told)
