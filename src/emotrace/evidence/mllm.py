"""`trace(clip, provider)`: four questions about a clip, each showing what it is named after; the answers in one record.

The gold label cannot reach a question: what is asked is made from a `Clip`, which has none, and from an anonymous one,
which has no name either. `trace_clips` does it for many, in order, and goes on where a killed run stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from emotrace.errors import BudgetSpent, MediaError, ServerFailed, TranscriptError
from emotrace.evidence.observation import Modality
from emotrace.evidence.providers.embedded import EmbeddedProvider
from emotrace.evidence.providers.interface import Provider, Reply
from emotrace.evidence.reasoning.grounding import ground
from emotrace.evidence.reasoning.journal import Journal
from emotrace.evidence.reasoning.material import Material
from emotrace.evidence.reasoning.parsing import read_answer
from emotrace.evidence.reasoning.prompts import Call, prompt_hashes
from emotrace.evidence.reasoning.requests import SENSE_OF, Request, available, requests_for
from emotrace.evidence.reasoning.trace import (
    SECTIONS,
    Grounding,
    ReasoningTrace,
    Section,
    Settings,
    Status,
    Usage,
    made_from,
    trace_key,
)
from emotrace.evidence.reliability import ABSENT_MODALITY, QUOTES_WORDS, quotes, reliability
from emotrace.evidence.store import TraceStore
from emotrace.media.clip import Clip
from emotrace.progress import Watch

EMBEDDED_SETTINGS: Final = Settings(fps=5.0, max_frames=1_000_000, longest_pixels=8192, seed=None)
"""How the embedded observers look, as in `analyze`."""
GIVE_UP_AFTER: Final = 8
"""Clips in a row without an answer: the server is gone."""


def asked_settings(**chosen: object) -> Settings:
    """[ours] Settings for models: 8 pictures a second, at most 96, of 512 pixels a side, unless chosen otherwise."""
    return Settings.model_validate({"fps": 8.0, "max_frames": 96, "longest_pixels": 512, **chosen})


class Observer:
    """Asks one provider about clips, under one set of settings.

    Args:
        provider: Who is asked.
        settings: How; the usual ones of the provider where None.
        journal: Where replies are kept, and looked up before anything is asked.
        check: Whether the embedded observers measure the same clip, to check claims against (`ground`).
        most_cost: No question is asked once the journal's replies cost this much.
        permission: Recorded in every trace.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        settings: Settings | None = None,
        journal: Journal | None = None,
        check: bool = True,
        most_cost: float | None = None,
        permission: str | None = None,
    ) -> None:
        self.provider = provider
        self.settings = settings or (asked_settings() if provider.writes else EMBEDDED_SETTINGS)
        self.prompt_sha256: dict[str, str] = (
            prompt_hashes(self.settings.calls, self.settings.language, self.settings.labels) if provider.writes else {}
        )
        self._journal, self._most_cost, self._permission = journal, most_cost, permission
        self._measuring = EmbeddedProvider() if check and provider.writes else None
        self._one_at_a_time = Lock()

    def material(self, clip: Clip) -> Material:
        """What of the clip may be shown."""
        return Material(clip, self.settings)

    def known(self, clip: Clip, store: TraceStore[ReasoningTrace]) -> bool:
        """Whether a store has this clip's trace already, made by the same observer from the same words and settings."""
        key = trace_key(clip.sha256, self.provider.name, self.provider.model, self.prompt_sha256)
        if key not in store:
            return False
        return store.get(key, made_from(self.settings, self.material(clip).transcript_sha256)) is not None

    def trace(self, clip: Clip) -> ReasoningTrace:
        """The trace of one clip.

        Raises:
            MediaError: The clip cannot be read.
            ServerFailed: Nobody answered; what was answered before is in the journal.
            BudgetSpent: The most that the run may cost is reached.
        """
        material = self.material(clip)
        spent: list[Usage] = []
        if self.settings.calls == "one" and self.provider.writes:
            sections = self._all_at_once(clip, material, spent)
        else:
            sections = self._one_by_one(clip, material, spent)
        said = material.transcript
        for part in ("visual", "vocal"):
            if said is not None and quotes(_written(sections[part]), said):
                sections[part] = _with_issue(sections[part], QUOTES_WORDS)
        trace = ReasoningTrace(
            clip_sha256=clip.sha256,
            span=clip.span.rounded(),
            language=material.language,
            transcript_sha256=material.transcript_sha256,
            provider=self.provider.name,
            model=self.provider.model,
            prompt_sha256=self.prompt_sha256,
            settings=self.settings,
            capabilities={sense: sense in self.provider.senses() for sense in SENSE_OF.values()},
            usage=sum(spent, Usage()),
            permission=self._permission,
            visual=sections["visual"],
            vocal=sections["vocal"],
            verbal=sections["verbal"],
            joint=sections["joint"],
            grounding=self._grounded(clip, sections, said),
        )
        return trace.model_copy(update={"reliability": reliability(trace)})

    def _one_by_one(self, clip: Clip, material: Material, spent: list[Usage]) -> dict[Modality, Section]:
        sections: dict[Modality, Section] = {}
        for part in SECTIONS:
            told: tuple[str, ...] = ()
            if part == "joint" and self.settings.joint_from == "sections":
                told = tuple(f"{name}: {_written(each)}" for name, each in sections.items() if each.is_ok)
            requests = requests_for(part, material, senses=self.provider.senses(), sections=told)
            if requests:
                sections |= self._answered(clip, part, requests, spent)
            else:
                sections[part] = self._absent(part, material)
        return sections

    def _all_at_once(self, clip: Clip, material: Material, spent: list[Usage]) -> dict[Modality, Section]:
        requests = requests_for("one", material, senses=self.provider.senses())
        if not requests:
            return {part: self._absent(part, material) for part in SECTIONS}
        sections = self._answered(clip, "one", requests, spent)
        for part, sense in SENSE_OF.items():
            if sense not in requests[0].senses:
                claimed = sections[part].is_ok and bool(sections[part].observations)
                sections[part] = (
                    _with_issue(sections[part], ABSENT_MODALITY) if claimed else self._absent(part, material)
                )
        return sections

    def _absent(self, part: Modality, material: Material) -> Section:
        if part == "joint" or SENSE_OF[part] not in available(material):
            return Section(status=Status.ABSENT, reason="the clip has none")
        return Section(status=Status.ABSENT, reason=f"the observer takes in no {SENSE_OF[part]}")

    def _answered(
        self, clip: Clip, call: Call, requests: Sequence[Request], spent: list[Usage]
    ) -> dict[Modality, Section]:
        """The sections of the first request's answer, with the scores of the further ones."""
        read = []
        for request in requests:
            reply = self._reply(clip, request)
            spent.append(reply.usage)
            read.append(self._read(call, reply))
        first, *others = read
        return {
            part: section.model_copy(
                update={"samples": tuple(scores for each in others if (scores := each[part].scores) is not None)}
            )
            for part, section in first.items()
        }

    def _reply(self, clip: Clip, request: Request) -> Reply:
        """The kept reply, or a new one that is kept before anything else happens."""
        observer = f"{self.provider.name}/{self.provider.model}"
        if self._journal is None or not self.provider.writes:
            return self.provider.ask(request)
        reply = self._journal.get(clip.sha256, observer, request)
        if reply is None:
            if self._most_cost is not None and self._journal.cost >= self._most_cost:
                raise BudgetSpent(
                    f"the replies so far cost {self._journal.cost:.4f}, and {self._most_cost:g} is the most allowed",
                    hint="Run the same command with a higher --max-cost to go on",
                )
            reply = self.provider.ask(request)
            self._journal.keep(clip.sha256, observer, request, reply)
        return reply

    def _read(self, call: Call, reply: Reply) -> dict[Modality, Section]:
        parts: tuple[Modality, ...] = SECTIONS if call == "one" else (call,)
        if reply.section is not None:
            return dict.fromkeys(parts, reply.section)
        if reply.finish != "answered":
            status = Status.REFUSED if reply.finish == "refused" else Status.FAILED
            return dict.fromkeys(parts, Section(status=status, reason=reply.reason))
        source = f"{self.provider.name}/{self.provider.model}#{self.prompt_sha256[call][:8]}"
        return read_answer(reply.text, call, source=source, labels=self.settings.labels)

    def _grounded(self, clip: Clip, sections: dict[Modality, Section], said: str | None) -> dict[Modality, Grounding]:
        if self._measuring is None or not any(section.observations for section in sections.values()):
            return {}
        with self._one_at_a_time:  # a detector is not for two threads
            measured = self._measuring.sheet(Material(clip, EMBEDDED_SETTINGS)).observations
        return {part: ground(section, measured, said) for part, section in sections.items()}


def trace(clip: Clip, provider: Provider, *, settings: Settings | None = None) -> ReasoningTrace:
    """The trace of one clip, without a journal. Errors as for `Observer.trace`."""
    return Observer(provider, settings=settings).trace(clip)


@dataclass(frozen=True, kw_only=True)
class ToTrace:
    """A clip that is to be traced, and what is said in it where a corpus knows."""

    path: Path
    text: str | None = None


@dataclass(kw_only=True)
class Outcome:
    """What became of a run's clips."""

    written: int = 0
    kept: int = 0
    """Traced by an earlier run, or the same bytes as another clip of this run."""
    unread: list[tuple[Path, str]] = field(default_factory=list)
    """Clips that could not be read, and why."""
    unanswered: list[tuple[Path, str]] = field(default_factory=list)
    """Clips that a later run will ask about again, and why."""
    usage: Usage = field(default_factory=Usage)


def trace_clips(
    clips: Sequence[ToTrace],
    observer: Observer,
    store: TraceStore[ReasoningTrace],
    *,
    concurrency: int = 4,
    watch: Watch | None = None,
    on_trace: Callable[[ReasoningTrace], None] = lambda trace: None,
) -> Outcome:
    """Traces clips into a store. The lines come in the order of the clips, whatever order answers come in.

    A clip that the store knows is not asked about again; one that nobody answered is left for the next run.

    Raises:
        ServerFailed: Eight clips in a row got no answer.
        BudgetSpent: The most that the run may cost is reached; the answered clips are in the store.
        UnwritableOutput: A line cannot be written.
    """
    watch, outcome, seen = watch or Watch(), Outcome(), set()
    waiting: deque[tuple[Path, Future[ReasoningTrace]]] = deque()
    streak = done = 0

    def settle() -> None:
        nonlocal streak, done
        path, future = waiting.popleft()
        done += 1
        watch.progress("trace", done, len(clips))
        try:
            made = future.result()
        except MediaError as error:
            outcome.unread.append((path, error.what))
        except ServerFailed as error:
            outcome.unanswered.append((path, error.what))
            streak += 1
            if streak >= GIVE_UP_AFTER:
                raise
        else:
            streak = 0
            outcome.written += store.append(made)
            outcome.usage = outcome.usage + made.usage
            on_trace(made)

    workers = concurrency if observer.provider.writes else 1
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        for each in clips:
            try:
                clip = Clip.open(each.path, text=each.text)
            except (MediaError, TranscriptError) as error:
                outcome.unread.append((each.path, error.what))
                done += 1
                continue
            if clip.sha256 in seen or observer.known(clip, store):
                outcome.kept += 1
                done += 1
                continue
            seen.add(clip.sha256)
            waiting.append((each.path, pool.submit(observer.trace, clip)))
            while len(waiting) >= 2 * workers:
                settle()
        while waiting:
            settle()
    finally:
        pool.shutdown(cancel_futures=True)
    return outcome


def _written(section: Section) -> str:
    """Everything that a section says."""
    return "\n".join((*(each.text for each in section.observations), section.text))


def _with_issue(section: Section, code: str) -> Section:
    return section.model_copy(update={"issues": (*section.issues, code)})
