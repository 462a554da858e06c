"""`Request`: one question about one clip. It holds what it is named after, and nothing else of the clip.

A request is made from a `Material`, which knows no name, label, path or fold; so none of them can reach a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from emotrace.evidence.observation import LETTERS, Modality
from emotrace.evidence.reasoning.material import Material
from emotrace.evidence.reasoning.prompts import Call, fenced, phrases, system_prompt
from emotrace.evidence.reasoning.trace import MAX_SECTION_OBSERVATIONS, Settings, digest

Sense = Literal["pictures", "sound", "words"]
SHOWN: Final[dict[Call, tuple[Sense, ...]]] = {
    "visual": ("pictures",),
    "vocal": ("sound",),
    "verbal": ("words",),
    "joint": ("pictures", "sound", "words"),
    "one": ("pictures", "sound", "words"),
}
"""What each call is given; everything else it must not be given."""
SENSE_OF: Final[dict[Modality, Sense]] = {"visual": "pictures", "vocal": "sound", "verbal": "words"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """Words of the request."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A JPEG picture."""

    jpeg: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """A WAV file."""

    wav: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """An MP4 file without sound, and how many of its pictures a second should be looked at."""

    mp4: bytes
    fps: float


Part = Text | Image | Sound | Video


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question.

    Two requests with equal `sha256` ask the same: the answer of one answers the other.
    """

    call: Call
    material: Material
    senses: tuple[Sense, ...]
    """What this call shows of the clip: those of `SHOWN` that the clip has and the observer can take in."""
    sample: int = 0
    """0 for the answer; 1, 2, ... for further samples of it."""
    sections: tuple[str, ...] = ()
    """For a joint call of servers that read text alone: what the three other sections say."""
    _cache: dict[bool, tuple[Part, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def settings(self) -> Settings:
        """How it is asked."""
        return self.material.settings

    @property
    def temperature(self) -> float:
        """Further samples need some: 0.7 where the settings say 0 [ours]."""
        return self.settings.temperature if not self.sample else max(self.settings.temperature, 0.7)

    @property
    def seed(self) -> int | None:
        """A seed of its own for every sample."""
        return None if self.settings.seed is None else self.settings.seed + self.sample

    @cached_property
    def system(self) -> str:
        """The fixed words."""
        return system_prompt(self.call, self.settings.language, self.settings.labels)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the answer."""
        return answer_schema(self.call, self.settings.labels)

    def parts(self, *, as_video: bool = False) -> tuple[Part, ...]:
        """What is shown, in the order pictures, sound, words; encoded when first asked for.

        Args:
            as_video: One MP4 part in place of a picture part per frame.
        """
        if as_video not in self._cache:
            self._cache[as_video] = (*self._pictures(as_video), *self._sound(), *self._words())
        return self._cache[as_video]

    @cached_property
    def sha256(self) -> str:
        """Of everything that the answer depends on and that is known before the clip is decoded.

        With the clip's own hash, which stays in the journal's key, it identifies the answer.
        """
        words = (self.material.lines if "words" in self.senses else [], self.sections, self.senses)
        return digest([self.call, self.system, *words, self.settings.model_dump(mode="json"), self.sample])

    def _pictures(self, as_video: bool) -> list[Part]:
        if "pictures" not in self.senses:
            return []
        say = phrases(self.settings.language)
        if as_video:
            line = say["video"].format(seconds=f"{self.material.span.end_seconds:.2f}")
            return [Text(text=line), Video(mp4=self.material.video, fps=self.settings.fps)]
        made: list[Part] = []
        for picture in self.material.pictures:
            made += [Text(text=say["frame"].format(seconds=f"{picture.time_seconds:.2f}")), Image(jpeg=picture.jpeg)]
        return made

    def _sound(self) -> list[Part]:
        if "sound" not in self.senses:
            return []
        line = phrases(self.settings.language)["sound"].format(seconds=f"{self.material.span.end_seconds:.2f}")
        return [Text(text=line), Sound(wav=self.material.sound)]

    def _words(self) -> list[Part]:
        language = self.settings.language
        made: list[Part] = []
        if self.sections:
            block = fenced(list(self.sections), language).split("\n", 1)[1]
            made.append(Text(text=f"{phrases(language)['sections']}\n{block}"))
        if "words" in self.senses:
            said = self.material.clip.transcript
            if said is not None and not said.timed:
                made.append(Text(text=phrases(language)["silent"]))
            made.append(Text(text=fenced(self.material.lines, language)))
        return made


def requests_for(
    call: Call, material: Material, *, senses: tuple[Sense, ...], sections: tuple[str, ...] = ()
) -> tuple[Request, ...]:
    """The question of one call and its further samples; nothing where the clip has nothing to show for it.

    Args:
        call: Which question.
        material: The clip.
        senses: What the observer can take in.
        sections: For a joint call from sections: what the other three say; the clip is then not shown.
    """
    shown = () if sections else tuple(s for s in SHOWN[call] if s in senses and s in available(material))
    if not shown and not sections:
        return ()
    return tuple(
        Request(call=call, material=material, senses=shown, sample=sample, sections=sections)
        for sample in range(material.settings.samples)
    )


def available(material: Material) -> tuple[Sense, ...]:
    """What the clip has."""
    has = {"pictures": material.clip.has_video, "sound": material.clip.has_audio, "words": material.has_words}
    return tuple(sense for sense in SHOWN["joint"] if has[sense])


def answer_schema(call: Call, labels: tuple[str, ...]) -> dict[str, Any]:
    """JSON Schema of an answer, strict: every key is required, and no other is allowed."""
    if call == "one":
        return _closed({part: section_schema(part, labels) for part in ("visual", "vocal", "verbal", "joint")})
    return section_schema(call, labels)


def section_schema(part: Modality, labels: tuple[str, ...]) -> dict[str, Any]:
    """JSON Schema of one section."""
    unit = {"type": "number", "minimum": 0, "maximum": 1}
    observation = _closed(
        {
            "id": {"type": "string", "pattern": f"^{LETTERS[part]}[1-9]$"},
            "start_seconds": {"type": "number", "minimum": 0},
            "end_seconds": {"type": "number", "minimum": 0},
            "text": {"type": "string"},
            "strength": unit,
            "confidence": unit,
        }
    )
    properties: dict[str, Any] = {
        "observations": {"type": "array", "items": observation, "maxItems": MAX_SECTION_OBSERVATIONS},
        "text": {"type": "string"},
    }
    if labels:
        properties["scores"] = _closed(dict.fromkeys(labels, unit))
        properties["label"] = {"type": "string", "enum": list(labels)}
    if part == "joint":
        percent = {"type": "number", "minimum": 0, "maximum": 100}
        properties["contribution"] = _closed(dict.fromkeys(SENSE_OF, percent))
    return _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
