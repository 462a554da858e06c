"""A batch from its inputs to its tables: what is there is kept, what is not is done, and each file is written once.

    annotate(["clips/"], "out", Job(options=...))

A kill at any moment loses at most the files that were being analysed; the next run does those and no others, and ends
with the same bytes as if nothing had happened. Only this process writes into the folder; workers send what they made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from json import dumps
from pathlib import Path

from emotrace.batch.folder import Folder, name_of
from emotrace.batch.inputs import Content, Input, content_of, expand
from emotrace.batch.job import Job
from emotrace.batch.manifest import Entry
from emotrace.batch.rate import FileGate
from emotrace.batch.summary import Progress, errors_csv, summary_csv
from emotrace.batch.work import Analyst, Failure, Outcome, Task
from emotrace.batch.workers import Crew, LocalWorkers, Lost
from emotrace.errors import EmotraceError, UsageError, WorkerLost


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What came of a batch."""

    progress: Progress
    entries: tuple[Entry, ...]
    """Of this run's inputs, sorted by id."""
    stopped_by: Entry | None = None
    """The failure at which a strict run stopped; its tables were not written."""
    other_settings: int = 0
    """Results in the folder that were made with other settings, of inputs that this run did not name: not in tables."""


def annotate(
    names: Sequence[str],
    out: str | Path,
    job: Job,
    *,
    workers: int | None = None,
    ray: str | None = None,
    formats: Sequence[str] = (),
    calls_per_minute: float | None = None,
    strict: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Batch:
    """Analyses every input that has no result yet, and writes results, manifest, summary and tables into a folder.

    Args:
        names: Files, folders, globs and csv files; see `batch.inputs.expand`.
        out: The folder; `batch.folder` says what is in it.
        job: How each file is analysed.
        workers: Processes, by default one per core; on Ray most tasks at a time.
        ray: `local`, `auto` or the address of a Ray cluster; None for processes of this machine.
        formats: Of `emotrace.export.FORMATS`, for the tables of all results.
        calls_per_minute: Most questions a minute to a language model, by all workers together.
        strict: Stop at the first input that fails.
        on_progress: Told after every input.

    Raises:
        MediaNotFound: A name stands for nothing.
        OutputError: Another run is at work in the folder, or it cannot be written. What was done is kept.
        UsageError: A choice that cannot be.
        ModelFileError: Weights that are not there.
        MissingExtra: Something is not installed.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"at least one worker is needed, got {workers}", where="workers")
    if calls_per_minute is not None and calls_per_minute <= 0:
        raise UsageError(f"a rate above 0 is needed, got {calls_per_minute}", where="calls per minute")
    if formats:
        from emotrace.batch.tables import check_formats  # loads what reads results

        check_formats(formats)
    job.check()
    inputs = expand(names, leave_out=Path(out))
    with Folder(Path(out)) as folder:
        run = _Run(folder, job, inputs, strict=strict, on_progress=on_progress or (lambda progress: None))
        planned = run.tasks()
        first = next(planned, None)
        if first is not None:
            with _crew(folder, job, workers=workers, ray=ray, per_minute=calls_per_minute) as crew:
                for task, outcome in crew.run(_with_first(first, planned)):
                    if not run.settle(task, outcome):
                        break
        return run.finish(formats)


@contextmanager
def _crew(
    folder: Folder, job: Job, *, workers: int | None, ray: str | None, per_minute: float | None
) -> Iterator[Crew[Task, Outcome]]:
    """Who does the tasks, with one gate for their questions."""
    if ray is not None:
        from emotrace.batch.on_ray import ByJob, RayGate, RayWorkers, cluster

        with cluster(ray, cores=workers):
            gated = job if per_minute is None else replace(job, gate=RayGate(per_minute))
            yield RayWorkers(ByJob(gated), count=workers)
        return
    if per_minute is not None:
        gate = FileGate(path=folder.path.resolve() / ".rate", per_minute=per_minute)
        gate.open()
        job = replace(job, gate=gate)
    with LocalWorkers(Analyst(job), workers or _cores()) as crew:
        yield crew


def _with_first(first: Task, others: Iterator[Task]) -> Iterator[Task]:
    yield first
    yield from others


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Run:
    """One run over a folder. Tasks are made in the order of ids, so the first of equal inputs is always the same."""

    def __init__(
        self,
        folder: Folder,
        job: Job,
        inputs: Sequence[Input],
        *,
        strict: bool,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.stopped_by: Entry | None = None
        self._folder, self._job, self._inputs = folder, job, inputs
        self._strict, self._on_progress = strict, on_progress
        self._settings = job.settings_sha256
        self._sizes = {each.id: _size(each.path) for each in inputs}
        self._progress = Progress(total=len(inputs), total_bytes=sum(self._sizes.values()))
        self._start = time.monotonic()
        self._settled: dict[str, Entry] = {}
        """Key -> what became of it in this run, or before."""
        self._waiting: dict[str, list[Input]] = {}
        """Key -> the inputs that get what its task brings; the first is the one that is analysed."""

    def tasks(self) -> Iterator[Task]:
        """What is not there yet. What is there is noted on the way."""
        for each in self._inputs:
            if self.stopped_by is not None:
                return
            try:
                content = content_of(each)
            except EmotraceError as error:
                self._note(each, self._entry(each, None, failure=Failure.of(error)), fresh=False)
                continue
            if content.key in self._waiting:
                self._waiting[content.key].append(each)
                continue
            before = self._settled.get(content.key) or self._before(content)
            if before is not None:
                self._settled[content.key] = before
                if not self._lacks_report(before):
                    self._note(each, before, fresh=False)
                    continue
            self._waiting[content.key] = [each]
            yield self._task(each, content, before)

    def settle(self, task: Task, outcome: Outcome | Lost) -> bool:
        """Keeps what a worker made: the lines first, then the files, each whole or not at all.

        Returns:
            Whether to go on.
        """
        first, *others = self._waiting.pop(task.key)
        content = Content(sha256=task.sha256, key=task.key)
        if isinstance(outcome, Lost):
            hint = "Give it more memory: fewer --workers. The next run tries it again"
            outcome = Outcome(failure=Failure.of(WorkerLost(outcome.reason, where=task.path, hint=hint)))
        entry = self._entry(first, content, outcome=outcome, failure=outcome.failure)
        before = self._settled.get(task.key)
        if before is not None and outcome.failure is None:  # its result was there, and the page was made now
            entry = replace(before, report=entry.report, report_sha256=entry.report_sha256)
        self._settled[task.key] = entry
        self._folder.manifest.append(_of(first, entry), *(_of(each, entry) for each in others))
        for name, data in ((entry.report, outcome.report), (entry.result, outcome.result)):
            if name is not None and data is not None:
                self._folder.write(f"results/{name}", data)
        self._folder.log(
            {
                "id": first.id,
                "ended": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(outcome.seconds, 3),
                "worker_peak_mb": outcome.peak_mb,
                "error": outcome.failure and outcome.failure.error,
            }
        )
        self._count(first, entry, fresh=before is None)
        for each in others:
            self._count(each, entry, fresh=False)
        return self.stopped_by is None

    def finish(self, formats: Sequence[str]) -> Batch:
        """Removes what was replaced, and writes what tells of the whole folder; a strict run that stopped does not."""
        manifest, folder = self._folder.manifest, self._folder
        entries = _with_twins([manifest.entries[id] for id in sorted(manifest.entries)])
        ids = {each.id for each in self._inputs}
        ours = tuple(each for each in entries if each.id in ids)
        self._progress.seconds = time.monotonic() - self._start
        if self.stopped_by is not None:
            return Batch(progress=self._progress, entries=ours, stopped_by=self.stopped_by)
        folder.remove_replaced({name for each in entries for name in (each.result, each.report) if name is not None})
        told = [each for each in entries if each.settings == self._settings]
        if formats:
            from emotrace.batch.tables import write_tables

            results = [folder.results / each.result for each in told if each.result and each.same_as is None]
            folder.replace_tables(lambda fresh: write_tables(fresh, formats, results))
        folder.write("summary.csv", summary_csv(entries))
        folder.write("errors.csv", errors_csv(entries))
        settings = {"settings_sha256": self._settings, **self._job.settings}
        folder.write("settings.json", dumps(settings, indent=1, ensure_ascii=False, default=str) + "\n")
        manifest.finish(entries)
        return Batch(progress=self._progress, entries=ours, other_settings=len(entries) - len(told))

    def _before(self, content: Content) -> Entry | None:
        """What an earlier run made of this content, if it still stands."""
        found = self._folder.manifest.find(content.key, self._settings)
        if found is None:
            return None
        if found.failure is not None:
            return found if found.failure.lasting else None
        return found if self._folder.has(found.result, found.result_sha256) else None

    def _lacks_report(self, entry: Entry) -> bool:
        if not self._job.report or entry.result is None:
            return False
        wanted = self._report_name(entry.result.removesuffix(".emotrace.json"))
        return entry.report != wanted or not self._folder.has(entry.report, entry.report_sha256)

    def _report_name(self, name: str) -> str:
        return f"{name}.redacted.html" if self._job.redact else f"{name}.emotrace.html"

    def _task(self, each: Input, content: Content, before: Entry | None) -> Task:
        results = self._folder.results.resolve()
        name = name_of(content.key, each.path)
        if before is not None and before.result is not None:
            name = before.result.removesuffix(".emotrace.json")
        if self._job.asking is not None:
            (self._folder.path / "replies").mkdir(exist_ok=True)
        return Task(
            id=each.id,
            path=each.path,
            sha256=content.sha256,
            key=content.key,
            name=name,
            folder=results,
            replies=results.parent / "replies" / f"{name}.replies.jsonl",
            transcript=each.transcript,
            text=each.text,
            kept=None if before is None or before.result is None else results / before.result,
        )

    def _entry(
        self, each: Input, content: Content | None, *, outcome: Outcome | None = None, failure: Failure | None
    ) -> Entry:
        entry = Entry(
            id=each.id,
            path=str(each.path),
            state="failed" if failure is not None else "done",
            sha256=None if content is None else content.sha256,
            key=None if content is None else content.key,
            settings=self._settings,
            failure=failure,
        )
        if content is None or outcome is None or failure is not None:
            return entry
        name = name_of(content.key, each.path)
        entry = replace(entry, facts=outcome.facts)
        if outcome.result is not None:
            entry = replace(entry, result=f"{name}.emotrace.json", result_sha256=sha256(outcome.result).hexdigest())
        if outcome.report is not None:
            entry = replace(entry, report=self._report_name(name), report_sha256=sha256(outcome.report).hexdigest())
        return entry

    def _note(self, each: Input, entry: Entry, *, fresh: bool) -> None:
        """Keeps what is known of an input without work."""
        entry = _of(each, entry)
        before = self._folder.manifest.entries.get(each.id)
        if before is None or replace(before, same_as=None) != entry:
            self._folder.manifest.append(entry)
        self._count(each, entry, fresh=fresh)

    def _count(self, each: Input, entry: Entry, *, fresh: bool) -> None:
        self._progress.seconds = time.monotonic() - self._start
        self._progress.count(entry, size=self._sizes[each.id], fresh=fresh)
        if self._strict and entry.failure is not None and self.stopped_by is None:
            self.stopped_by = _of(each, entry)
        self._on_progress(self._progress)


def _of(each: Input, entry: Entry) -> Entry:
    return replace(entry, id=each.id, path=str(each.path), same_as=None)


def _with_twins(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in the order of their ids, each but the first of one result with the id of the first."""
    first: dict[str, str] = {}
    return [
        each if each.result is None or first.setdefault(each.result, each.id) == each.id else _twin(each, first)
        for each in entries
    ]


def _twin(each: Entry, first: dict[str, str]) -> Entry:
    return replace(each, same_as=first[each.result or ""])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
