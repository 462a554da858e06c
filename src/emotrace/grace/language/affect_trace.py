"""`AffectTrace`: one line of the text cache, from what a provider saw to the words that GRACE aligns.

Of a clip it holds hashes alone. The coarse sentences stay in it, so that a new word list or another tokenizer asks no
provider again: the line made from them stands beside the old one (`evidence/store.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from emotrace.evidence.store import TraceKey
from emotrace.grace.cate import EmotionWords, Narrative, Sentence, SideWords
from emotrace.grace.language.affect_text import AffectText, Phrase
from emotrace.media.video import Frame
from emotrace.span import Span

SCHEMA: Final = "emotrace.affect_text/1"


@dataclass(frozen=True, kw_only=True)
class CoarseSource:
    """Who described the clip, asked what."""

    source: str
    """`visual@1`, `http`, `gemini`, `caption` ..."""
    model: str | None = None
    model_sha256: str | None = None
    prompt_sha256: str = ""
    """Empty where nobody was asked."""
    temperature: float | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class FineMethod:
    """How the description was refined."""

    method: str = "lexicon"
    lexicon_sha256: str
    emotion_words: EmotionWords = "strip"
    side_words: SideWords = "drop"


@dataclass(frozen=True, kw_only=True)
class AffectTrace:
    """What is kept of one clip, one provider and one prompt."""

    clip_id: str
    """`clip_id_of(corpus, key)`."""
    frames_sha256: str
    coarse: CoarseSource
    narrative: Narrative
    fine: FineMethod
    tokenizer: str
    """Its name."""
    text: AffectText
    created_utc: str
    """When the provider answered, as its caller says; nothing depends on it."""

    @property
    def key(self) -> TraceKey:
        """Clip, provider with its model, prompt."""
        provider = self.coarse.source if self.coarse.model is None else f"{self.coarse.source}/{self.coarse.model}"
        return TraceKey(clip_id=self.clip_id, provider=provider, prompt_sha256=self.coarse.prompt_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """Everything else that the words depend on."""
        said = hashlib.sha256(repr(self.narrative).encode()).hexdigest()
        settings = {**asdict(self.coarse), **asdict(self.fine), "units": self.text.units, "tokenizer": self.tokenizer}
        return {
            "frames_sha256": self.frames_sha256,
            "said": said,
            **{name: str(each) for name, each in settings.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        text = self.text
        return {
            "schema": SCHEMA,
            "clip_id": self.clip_id,
            "frames_sha256": self.frames_sha256,
            "coarse": {
                **asdict(self.coarse),
                "text": self.narrative.text,
                "sentences": [asdict(sentence) for sentence in self.narrative.sentences],
                "created_utc": self.created_utc,
            },
            "fine": asdict(self.fine),
            "tokenizer": self.tokenizer,
            "units": text.units,
            "phrases": [_plain(phrase) for phrase in text.phrases],
            "token_ids": list(text.token_ids),
            "positions": list(text.positions),
            "background": list(text.background),
            "affect": _numbers(text.affect),
            "marginal": _numbers(text.marginal),
            "dropped": [{"text": dropped, "reason": reason} for dropped, reason in text.dropped],
            "overflow": text.overflow,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> AffectTrace:
        """The trace of `to_dict`'s record.

        Raises:
            ValueError: Of another schema.
            KeyError, TypeError: A field is missing or of another kind.
        """
        if record["schema"] != SCHEMA:
            raise ValueError(f"the schema is {record['schema']!r}, not {SCHEMA!r}")
        coarse = dict(record["coarse"])
        sentences, created_utc = coarse.pop("sentences"), coarse.pop("created_utc")
        del coarse["text"]
        return cls(
            clip_id=record["clip_id"],
            frames_sha256=record["frames_sha256"],
            coarse=CoarseSource(**coarse),
            narrative=Narrative(sentences=tuple(Sentence(**_typed(sentence)) for sentence in sentences)),
            fine=FineMethod(**record["fine"]),
            tokenizer=record["tokenizer"],
            text=AffectText(
                units=record["units"],
                source="evidence",
                phrases=tuple(Phrase(**_typed(phrase)) for phrase in record["phrases"]),
                token_ids=tuple(record["token_ids"]),
                positions=tuple(record["positions"]),
                background=tuple(record["background"]),
                affect=np.array(record["affect"], np.float32),
                marginal=np.array(record["marginal"], np.float32),
                dropped=tuple((each["text"], each["reason"]) for each in record["dropped"]),
                overflow=record["overflow"],
            ),
            created_utc=created_utc,
        )


def clip_id_of(corpus: str, key: str) -> str:
    """The name of a clip in a cache: 16 hexadecimal digits that tell neither the corpus nor the record."""
    return hashlib.sha256(f"{corpus}\0{key}".encode()).hexdigest()[:16]


def frames_sha256(frames: Iterable[Frame]) -> str:
    """SHA-256 of decoded pictures and their times: the same whatever the file is called and whatever its tags say."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(f"{frame.image.shape} {frame.time_seconds:.6f} ".encode())
        digest.update(np.ascontiguousarray(frame.image).data)
    return digest.hexdigest()


def _plain(phrase: Phrase) -> dict[str, Any]:
    columns = phrase.columns
    return {
        **{name: value for name, value in vars(phrase).items() if name not in ("columns", "span")},
        "observation_ids": list(phrase.observation_ids),
        "span": None if phrase.span is None else asdict(phrase.span),
        "columns": [columns.start, columns.stop],
    }


def _typed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Spans, slices and tuples again, of a sentence or a phrase."""
    typed = {**record, "observation_ids": tuple(record["observation_ids"])}
    typed["span"] = None if record["span"] is None else Span(**record["span"])
    if "columns" in record:
        typed["columns"] = slice(*record["columns"])
    return typed


def _numbers(values: np.ndarray) -> list[float]:
    """float32 values as the shortest decimals that read back the same."""
    return [float(str(value)) for value in values]
