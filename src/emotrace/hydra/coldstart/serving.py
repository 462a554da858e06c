"""A language model as the teacher, on any server: asked for whole trajectories, each of its tries kept.

A try that came to nothing counts as one, also in a later run: a run that was stopped goes on as if it had not been, and
asks nothing twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from emotrace.evidence.observation import EvidenceSheet, clean
from emotrace.evidence.providers.http import Capabilities
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.reasoning.requests import Part, Text
from emotrace.evidence.reasoning.trace import Usage
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.hydra.asking.model import ChatModel
from emotrace.hydra.asking.prompts import Form, prompts_sha256
from emotrace.hydra.asking.replies import KeptReply, Replies
from emotrace.hydra.coldstart.teaching import Saw, trajectory
from emotrace.hydra.reasoners.mllm import MllmReasoner

TRIES: Final = 4
"""[ours] How often a teacher is asked about one sheet, until a trajectory passes every filter."""
TEMPERATURE: Final = 0.7
"""[ours] Of a language model as the teacher, so that its tries differ."""
GOLD_LINE: Final = (
    "People who watched this clip perceived: {words}. Give the reasoning that leads there from the lines of the sheet "
    "alone, and do not mention that you were told."
)
"""[ours] What a teacher that sees labels is told besides. The paper's wording is unknown."""

REPLIES: Final = "replies.jsonl"
TRIED: Final = "tries.jsonl"


class ServedTeacher:
    """A language model as the teacher, asked for a whole trajectory at once. It is shown sheets, never the clip.

    Args:
        model: Who is asked.
        saw: Whether gold is told to it.
        tries: How often it is asked about one sheet; each try has its own seed.
        temperature: Of its replies.
        seed: Of the first try.
        form: How its replies are written.
        folder: Where replies (`replies.jsonl`) and what came of each try (`tries.jsonl`) are kept, and looked up before
            anything is asked; None keeps them in memory.
        permission: The owner's permission to send what a corpus forbids to send; kept in the settings.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        saw: Saw = "nothing",
        tries: int = TRIES,
        temperature: float = TEMPERATURE,
        seed: int = 0,
        form: Form | Literal["auto"] = "auto",
        folder: Path | None = None,
        permission: str | None = None,
    ) -> None:
        self.saw: Saw = saw
        self._model, self._seeds = model, tuple(range(seed, seed + tries))
        self._asked: dict[str, Any] = {"temperature": temperature, "form": form, "permission": permission}
        self._replies = SharedReplies(None if folder is None else folder / REPLIES)
        self._tried = Tried(None if folder is None else folder / TRIED)
        self._lock = Lock()
        self.spent = Usage()
        """What the server was asked so far, as it reported it."""
        self.kept = 0
        """How many tries came from the file."""
        plain = self._reasoner(model, self._seeds[0])
        self.name = plain.name
        self._settings = plain.settings

    @property
    def settings(self) -> Mapping[str, Any]:
        """Server, model, prompts and sampling."""
        told = {"gold_line_sha256": hashlib.sha256(GOLD_LINE.encode()).hexdigest()} if self.saw == "labels" else {}
        shared = {name: value for name, value in self._settings.items() if name not in ("seed", "words")}
        return {**shared, "prompts_sha256": prompts_sha256(), "seeds": list(self._seeds), **told}

    def tries(self, sheet: EvidenceSheet, k: int, told: tuple[str, ...] = ()) -> Iterator[str | None]:
        """One trajectory per seed. Raises as `Teacher.tries` does."""
        model = ToldModel(self._model, told) if self.saw == "labels" and told else self._model
        for seed in self._seeds:
            reasoner = self._reasoner(model, seed)
            asked = {"k": k, **reasoner.settings}
            key = TraceKey(
                clip_id=sheet.sheet_id,
                provider=f"{model.host}/{model.model}",
                prompt_sha256=hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest(),
            )
            tried = self._tried.get(key)
            if tried is None:
                try:
                    tried = Try(key=key, text=trajectory(reasoner, sheet, k))
                finally:
                    with self._lock:
                        self.spent += reasoner.spent
                self._tried.keep(tried)
            else:
                with self._lock:
                    self.kept += 1
            yield tried.text

    def _reasoner(self, model: ChatModel, seed: int) -> MllmReasoner:
        return MllmReasoner(model, seed=seed, replies=self._replies, **self._asked)


class ToldModel:
    """A model whose every question ends with the gold words. Its replies are kept under a name of their own.

    Args:
        model: Who is asked.
        gold: What people perceived.
    """

    def __init__(self, model: ChatModel, gold: tuple[str, ...]) -> None:
        self._model = model
        self._line = GOLD_LINE.format(words=", ".join(clean(word) for word in gold))
        self.host: str | None = model.host
        self.model = f"{model.model}+labels-{hashlib.sha256(self._line.encode()).hexdigest()[:16]}"

    def capabilities(self) -> Capabilities:
        """Those of the model."""
        return self._model.capabilities()

    def complete(
        self,
        system: str,
        parts: Sequence[Part],
        *,
        schema: Mapping[str, Any] | None,
        temperature: float,
        seed: int | None,
        max_tokens: int,
    ) -> Reply:
        """The reply to the question and the line with the gold words."""
        return self._model.complete(
            system,
            (*parts, Text(text=self._line)),
            schema=schema,
            temperature=temperature,
            seed=seed,
            max_tokens=max_tokens,
        )


@dataclass(frozen=True, kw_only=True)
class Try:
    """What came of one try."""

    key: TraceKey
    text: str | None
    """The trajectory; None for replies that could not be used."""

    @property
    def made_from(self) -> Mapping[str, str]:
        """Nothing else: the key holds all of it."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Try:
        """Reads what `to_dict` wrote."""
        return cls(**{**record, "key": TraceKey(**record["key"])})


class Tried:
    """The tries of all runs with one file, or of one run without; for several threads.

    Args:
        path: A `.jsonl` file, which need not exist.

    Raises:
        UnreadableTrace: A line is damaged, other than an unfinished last one.
    """

    def __init__(self, path: Path | None) -> None:
        self._store = None if path is None else TraceStore(path, Try.from_dict)
        self._here: dict[TraceKey, Try] = {}
        self._one_at_a_time = Lock()

    def get(self, key: TraceKey) -> Try | None:
        """The try, where there was one."""
        with self._one_at_a_time:
            return self._here.get(key) if self._store is None else self._store.get(key)

    def keep(self, tried: Try) -> None:
        """Writes a try down.

        Raises:
            UnwritableOutput: It cannot be written.
        """
        with self._one_at_a_time:
            if self._store is None:
                self._here[tried.key] = tried
            else:
                self._store.append(tried)


class SharedReplies(Replies):
    """Replies for several threads, one at a time."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        self._one_at_a_time = Lock()

    def get(self, key: TraceKey) -> KeptReply | None:
        """As `Replies.get`."""
        with self._one_at_a_time:
            return super().get(key)

    def keep(self, reply: KeptReply) -> None:
        """As `Replies.keep`."""
        with self._one_at_a_time:
            super().keep(reply)
