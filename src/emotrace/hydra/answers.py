"""Verdicts of many sheets by one reasoner, each asked for once: kept in a file that goes on where a killed run stopped.

What is kept is the verdict, or why the reasoner's text gave none, and what it took. A sheet about which no server
answered is told as such and not kept: the next run asks about it anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from emotrace._version import __version__
from emotrace.errors import InvalidTrace, MalformedCompletion, ReasoningError, ServerFailed, UnclosedVerdict
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.reasoning.trace import Usage
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoner import Metered, Reasoner
from emotrace.hydra.reasoners.mllm import MllmReasoner
from emotrace.hydra.together import in_order
from emotrace.results import Record, Verdict

MOST_SERVER_FAILURES: Final = 3
"""[ours] So many sheets in a row that no server answers end a run: it is down, and waiting for it helps nobody."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a reasoner is asked: what `protocol.run` is given besides the sheet."""

    k: int = 2
    mode: Literal["one", "steps"] = "one"
    swap_check: bool | None = None
    abstain: bool = False
    """Off for benchmarks: an abstention is scored there as an empty answer."""

    def sha256(self, reasoner: Reasoner, reserve: Reasoner | None = None) -> str:
        """Of everything but the sheet that a verdict depends on."""
        settings = reasoner.settings if isinstance(reasoner, Metered) else {}
        told = {"emotrace": __version__, "reasoner": reasoner.name, "settings": settings, **asdict(self)}
        told |= {} if reserve is None else {"reserve": reserve.name}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Outcome(Record):
    """What came of a sheet, a verdict or a failure, and what it took when it was asked about."""

    sheet_id: str
    reasoner: str
    asking_sha256: str
    attempt: int = 0
    """How often it was asked about before, in vain."""
    verdict: Verdict | None
    kind: str = ""
    """Name of the error where there is no verdict, such as `MalformedCompletion`."""
    what: str = ""
    """Its message."""
    raw: str = ""
    """The text that could not be read."""
    calls: int
    """Replies that it is made of; 0 for the embedded reasoner."""
    prompt_tokens: int | None
    """Unknown where the server did not say."""
    image_tokens: int | None = None
    completion_tokens: int | None
    seconds: float
    """Of waiting for replies; of computing, where nothing was asked of a server."""

    @property
    def key(self) -> TraceKey:
        """Sheet, reasoner, way of asking."""
        return TraceKey(clip_id=self.sheet_id, provider=self.reasoner, prompt_sha256=self.asking_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """The attempt; all else is in the hash of the asking."""
        return {"attempt": str(self.attempt)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return self.model_dump(mode="json")

    @property
    def is_of_reserve(self) -> bool:
        """Whether the reserve reasoned, as no reply of the reasoner could be used."""
        return self.verdict is not None and self.verdict.instead_of is not None

    @property
    def error(self) -> ReasoningError | ServerFailed:
        """The failure as it was raised."""
        if self.kind == MalformedCompletion.__name__:
            return MalformedCompletion(self.what, raw=self.raw)
        return {UnclosedVerdict.__name__: UnclosedVerdict, InvalidTrace.__name__: InvalidTrace}.get(
            self.kind, ServerFailed
        )(self.what)


class AnswerBook:
    """Asks a reasoner about sheets, each once.

    Args:
        reasoner: Who is asked.
        asking: How.
        path: A `.jsonl` file, which need not exist; None keeps answers for this run alone.
        again: Whether sheets about which no reply could be used in an earlier run are asked about again.
        reserve: Who answers where no reply of the reasoner can be used; None makes a failure of that.

    Raises:
        UnreadableTrace: A line of the file is damaged, other than an unfinished last one.
    """

    def __init__(
        self,
        reasoner: Reasoner,
        asking: Asking,
        path: Path | None = None,
        *,
        again: bool = False,
        reserve: Reasoner | None = None,
    ) -> None:
        self.reasoner, self.asking, self.reserve = reasoner, asking, reserve
        self.asked = 0
        """How many sheets this run asked about, kept ones left out."""
        self._sha256 = asking.sha256(reasoner, reserve)
        self._store = None if path is None else TraceStore(path, Outcome.model_validate)
        self._here: dict[str, Outcome] = {}
        """What this run asked about: whoever asks about the same sheet again is told the same."""
        self._again = again
        self._server_failures = 0

    def judge(self, sheet: EvidenceSheet) -> Verdict:
        """The reasoner's own verdict on a sheet, kept or new.

        Raises:
            MalformedCompletion: The reserve answered: that verdict tells nothing of this reasoner.
            ReasoningError: The reasoner's text cannot be used, or its answer stands on nothing.
            ServerFailed: Nobody answered.
        """
        outcome = self.outcome(sheet)
        if outcome.verdict is None:
            raise outcome.error
        if outcome.is_of_reserve:
            raise MalformedCompletion("no reply could be used, and the reserve answered", raw=outcome.raw)
        return outcome.verdict

    def outcome(self, sheet: EvidenceSheet) -> Outcome:
        """What came of a sheet, kept or new; a failure is a value."""
        (outcome,) = self.outcomes([sheet])
        return outcome

    def outcomes(self, sheets: Sequence[EvidenceSheet], *, concurrency: int = 1) -> Generator[Outcome, None, None]:
        """What came of each sheet, in their order, which is that of the file too.

        Args:
            sheets: Of which each is asked about once.
            concurrency: About how many a server is asked at once; other reasoners think in this thread alone.
        """
        unknown = {sheet.sheet_id: sheet for sheet in sheets if self._known(sheet) is None}
        at_once = concurrency if isinstance(self.reasoner, Metered) else 1
        with closing(in_order(self._ask, unknown.values(), at_once=at_once)) as asked:
            for sheet in sheets:
                yield self._known(sheet) or self._note(next(asked))

    def check_server(self) -> None:
        """Makes sure that the server has not been silent about the last sheets.

        Raises:
            ServerFailed: Nobody answered for `MOST_SERVER_FAILURES` sheets in a row.
        """
        if self._server_failures >= MOST_SERVER_FAILURES:
            raise ServerFailed(
                f"nobody answered for {self._server_failures} clips in a row",
                where=self.reasoner.name,
                hint="See that the server runs, and run the same again: what was answered is kept",
            )

    def _known(self, sheet: EvidenceSheet) -> Outcome | None:
        """What this run was told, or what is kept and need not be asked again."""
        if (here := self._here.get(sheet.sheet_id)) is not None:
            return here
        kept = self._kept(sheet)
        in_vain = kept is not None and (kept.verdict is None or kept.is_of_reserve)
        return None if self._again and in_vain else kept

    def _note(self, outcome: Outcome) -> Outcome:
        self.asked += 1
        self._here[outcome.sheet_id] = outcome
        self._server_failures = self._server_failures + 1 if outcome.kind == ServerFailed.__name__ else 0
        if self._store is not None and not self._server_failures:
            self._store.append(outcome)
        return outcome

    def _kept(self, sheet: EvidenceSheet) -> Outcome | None:
        key = TraceKey(clip_id=sheet.sheet_id, provider=self.reasoner.name, prompt_sha256=self._sha256)
        return None if self._store is None else self._store.get(key)

    def _ask(self, sheet: EvidenceSheet) -> Outcome:
        """May be called from several threads."""
        kept, asking, started = self._kept(sheet), self.asking, time.perf_counter()
        mind = self.reasoner.session() if isinstance(self.reasoner, MllmReasoner) else self.reasoner
        failed: dict[str, str] = {}
        verdict = None
        try:
            verdict = run(
                sheet,
                mind,
                k=asking.k,
                mode=asking.mode,
                swap_check=asking.swap_check,
                abstain=asking.abstain,
                reserve=self.reserve,
            )
        except (ReasoningError, ServerFailed) as error:
            raw = error.raw if isinstance(error, MalformedCompletion) else ""
            failed = {"kind": type(error).__name__, "what": " ".join(str(error).split()), "raw": raw}
        used = _taken(mind)
        return Outcome(
            sheet_id=sheet.sheet_id,
            reasoner=self.reasoner.name,
            asking_sha256=self._sha256,
            attempt=0 if kept is None else kept.attempt + 1,
            verdict=verdict,
            **failed,
            calls=used.calls,
            prompt_tokens=used.prompt_tokens,
            image_tokens=used.image_tokens,
            completion_tokens=used.completion_tokens,
            seconds=round(time.perf_counter() - started, 6) if used.seconds is None else used.seconds,
        )


def _taken(mind: Reasoner) -> Usage:
    """What the replies took when they were asked for, be it by a run that was killed amid a sheet."""
    return sum((each.usage for each in mind.exchanges), Usage()) if isinstance(mind, MllmReasoner) else Usage()
