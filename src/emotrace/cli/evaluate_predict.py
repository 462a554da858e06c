"""What `emotrace evaluate --predict` does: reasoner -> labels -> score -> report, in one command that can go on.

Cases come from a file of sheets with gold, or from a corpus whose clips are measured first. Everything asked is kept in
a folder: `sheets.jsonl`, `answers.jsonl`, `replies.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from emotrace.cli.console import ask_before_sending, needing, say, watching
from emotrace.cli.evaluation_options import Choices
from emotrace.cli.reasoners import EMBEDDED, refuse_without_server, reserve_of
from emotrace.errors import EmotraceError, UsageError, first_five

if TYPE_CHECKING:
    from emotrace.hydra.answers import AnswerBook, Outcome
    from emotrace.hydra.learning.cases import Case
    from emotrace.hydra.reasoner import Reasoner
    from emotrace.metrics.answer_files import AnswerFile
    from emotrace.metrics.evaluation import Evaluation
    from emotrace.metrics.protocols import Protocol
    from emotrace.metrics.scored import Settings


@dataclass(frozen=True, kw_only=True)
class _Material:
    """What is asked about."""

    cases: Mapping[str, Case]
    truth: AnswerFile
    unread: Mapping[str, EmotraceError]
    """Clips that cannot be read, and why."""
    unlabelled: int
    corpus: str
    may_leave_machine: bool


def write_task_files(
    kit: Literal["lmms-eval", "vlmevalkit"], protocol: Protocol, cases: Path | None, out: Path | None, *, k: int
) -> None:
    """The work of `--task-files`.

    Raises:
        UsageError: No cases or no folder, or a protocol that scores no free words.
    """
    from emotrace.hydra.learning.cases import read_cases
    from emotrace.hydra.task_files import write_task

    if cases is None or out is None:
        raise UsageError("needs --cases FILE and --out FOLDER", where="--task-files")
    for path in write_task(kit, out, protocol, read_cases(cases), k=k, base=cases.parent):
        say(f"wrote {path}")


def predict(
    protocol: Protocol, settings: Settings, choices: Choices, rivals: list[AnswerFile], context: typer.Context
) -> Evaluation:
    """Asks, scores, and adds cost and faithfulness to the report.

    Raises:
        UsageError: Options that do not go together, or a protocol that scores no free words.
        ServerFailed: The server is down; what was answered is kept.
        ReasoningError, MediaError, TranscriptError: With --strict, a clip without an answer.
    """
    from emotrace.hydra.answers import AnswerBook, Asking
    from emotrace.hydra.case_files import answer_table
    from emotrace.hydra.task_files import check_open
    from emotrace.metrics.evaluation import evaluate

    check_open(protocol)
    if choices.reasoner == EMBEDDED:
        refuse_without_server(context)
    if (choices.prompt_price is None) != (choices.completion_price is None):
        raise UsageError("one price tells no cost", where="--prompt-price, --completion-price", hint="Name both")
    material = _material(choices)
    mind = _open_reasoner(choices, material)
    asking = Asking(
        k=choices.k,
        mode="steps" if choices.stepwise else "one",
        swap_check=None if choices.swap else False,
        abstain=choices.abstain,
    )
    book = AnswerBook(
        mind, asking, choices.file("answers"), again=choices.again, reserve=reserve_of(choices.on_failure)
    )
    outcomes = _ask(book, material.cases, strict=choices.strict, concurrency=choices.concurrency)
    verdicts = {name: each.verdict for name, each in outcomes.items() if each.verdict is not None}
    table = answer_table(verdicts, Path(mind.name))
    scored = evaluate(protocol, material.truth, table, settings=settings, rivals=rivals)
    told: dict[str, Any] = {"prediction": _told(book, outcomes, material, choices.prices)}
    if choices.faithfulness:
        told["faithfulness"] = _faithfulness(book, material, settings, concurrency=choices.concurrency)
    report = scored.report.model_copy(update={"details": {**scored.report.details, **told}})
    return replace(scored, report=report)


def _material(choices: Choices) -> _Material:
    from emotrace.hydra.case_files import names_of, truth_table
    from emotrace.hydra.learning.cases import read_cases

    if (choices.cases is None) == (choices.data is None) or (choices.data is None) != (choices.root is None):
        raise UsageError("needs clips", where="--predict", hint="Name --cases FILE, or --data NAME --root FOLDER")
    if choices.cases is not None:
        cases = read_cases(choices.cases)
        names = names_of(cases)
        return _Material(
            cases=dict(zip(names, cases, strict=True)),
            truth=truth_table(names, [case.gold for case in cases], choices.cases),
            unread={},
            unlabelled=0,
            corpus="these cases",
            may_leave_machine=True,
        )
    return _measured(choices)


def _measured(choices: Choices) -> _Material:
    from emotrace.cli.corpus_arguments import adapter_arguments
    from emotrace.datasets.corpora import open_corpus
    from emotrace.hydra.case_files import truth_table
    from emotrace.hydra.clip_cases import labelled_clips, measure_clips

    name, root = str(choices.data), choices.root or Path()
    corpus = open_corpus(name, root, **adapter_arguments(name, choices.choose))
    clips, unlabelled = labelled_clips(corpus, choices.split)
    with watching(corpus.name) as watch:
        found = measure_clips(clips, kept=choices.file("sheets"), watch=watch)
    for clip, error in found.unread.items():
        say(f"{clip} cannot be read: {error}")
        if choices.strict:
            raise error
    return _Material(
        cases=found.cases,
        truth=truth_table([name for name, _ in clips], [each.target.labels for _, each in clips], Path(corpus.name)),
        unread=found.unread,
        unlabelled=unlabelled,
        corpus=corpus.name,
        may_leave_machine=corpus.may_leave_machine,
    )


def _open_reasoner(choices: Choices, material: _Material) -> Reasoner:
    """The embedded reasoner, or a model behind an address, once whoever runs the command agrees to what goes there."""
    if choices.reasoner == EMBEDDED:
        from emotrace.hydra.reasoners.embedded import EmbeddedReasoner

        return EmbeddedReasoner()
    from emotrace.evidence.providers.http import HttpProvider
    from emotrace.evidence.providers.interface import check_upload, is_on_this_machine
    from emotrace.evidence.providers.retries import Patience
    from emotrace.hydra.asking.replies import Replies
    from emotrace.hydra.reasoners.mllm import MllmReasoner

    with needing("mllm", "evaluate --reasoner"):
        server = HttpProvider(
            base_url=choices.reasoner,
            model=choices.model or "",
            patience=Patience(tries=choices.tries),
            timeout_seconds=choices.timeout_seconds,
        )
    host = str(server.host)
    check_upload(
        host, corpus=material.corpus, may_leave_machine=material.may_leave_machine, permission=choices.permission
    )
    is_here = is_on_this_machine(server.host)
    machine = "this" if is_here else "another"
    say(
        f"{len(material.cases)} evidence sheets, with the words quoted on them, no frames and no sound go to {host} "
        f"({machine} machine, model {server.model}); no name and no gold does"
    )
    if not is_here:
        ask_before_sending(host, yes=choices.yes)
    replies = Replies(choices.file("replies"))
    return MllmReasoner(
        server, form=choices.form, samples=choices.samples, replies=replies, permission=choices.permission
    )


def _ask(book: AnswerBook, cases: Mapping[str, Case], *, strict: bool, concurrency: int) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    asked = book.outcomes([case.sheet for case in cases.values()], concurrency=concurrency)
    with watching(f"{len(cases)} clips") as watch, closing(asked):
        watch.progress("reasoning", 0, len(cases))
        for number, (name, outcome) in enumerate(zip(cases, asked, strict=True), start=1):
            watch.progress("reasoning", number, len(cases))
            outcomes[name] = outcome
            if strict and outcome.verdict is None:
                say(f"stopped at clip {name}")
                raise outcome.error
            book.check_server()
    say(f"{len(cases)} clips: {book.asked} asked about, {len(cases) - book.asked} known before")
    if failed := [f"{name} ({each.kind})" for name, each in outcomes.items() if each.verdict is None]:
        say(f"clips without an answer: {first_five(failed)}")
    if reserved := [name for name, each in outcomes.items() if each.is_of_reserve]:
        say(f"clips answered by the embedded reasoner, as no reply could be used: {first_five(reserved)}")
    return outcomes


def _told(
    book: AnswerBook, outcomes: Mapping[str, Outcome], material: _Material, prices: tuple[float, float] | None
) -> dict[str, Any]:
    """Who was asked, how, what came of it and what it took; tries in vain count too."""
    from emotrace.hydra.reasoner import Metered

    mind, clips = book.reasoner, len(outcomes) + len(material.unread)
    failed = {name: {"kind": type(error).__name__, "what": str(error)} for name, error in material.unread.items()}
    failed |= {n: {"kind": each.kind, "what": each.what} for n, each in outcomes.items() if each.verdict is None}
    cost: dict[str, float | None] = {
        part: _sum([getattr(each, part) for each in outcomes.values()])
        for part in ("calls", "prompt_tokens", "image_tokens", "completion_tokens", "seconds")
    }
    prompt, completion = cost["prompt_tokens"], cost["completion_tokens"]
    if prices is not None:
        known = prompt is not None and completion is not None
        cost["price"] = ((prompt or 0) * prices[0] + (completion or 0) * prices[1]) / 1e6 if known else None
    return {
        "reasoner": mind.name,
        "asking": {**asdict(book.asking), "settings": mind.settings if isinstance(mind, Metered) else {}},
        "corpus": material.corpus,
        "clips": clips,
        "answered": clips - len(failed),
        "abstained": sum(each.verdict is not None and each.verdict.abstain is not None for each in outcomes.values()),
        "by_reserve": [name for name, each in outcomes.items() if each.is_of_reserve],
        "unlabelled": material.unlabelled,
        "failed": failed,
        "cost": {
            part: {"total": total, "per_clip": None if total is None else round(total / clips, 6)}
            for part, total in cost.items()
        },
    }


def _sum(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def _faithfulness(book: AnswerBook, material: _Material, settings: Settings, *, concurrency: int) -> dict[str, Any]:
    """The measures over all clips; those without an answer are counted as such."""
    from emotrace.hydra.faithfulness import MEASURES, ClipFaithfulness, measure, sheets_after_deletion, summarise

    sheets = [case.sheet for case in material.cases.values()]
    shorter = [each for sheet in sheets for each in sheets_after_deletion(sheet, book.judge, seed=settings.seed)]
    asked = book.outcomes(shorter, concurrency=concurrency)
    with watching(f"{len(sheets)} clips") as watch, closing(asked):
        for number, _ in enumerate(asked, start=1):
            watch.progress("faithfulness", number, len(shorter))
            book.check_server()
    measured = [measure(sheet, book.judge, seed=settings.seed) for sheet in sheets]
    unread = ClipFaithfulness(left_out=dict.fromkeys(MEASURES, "no answer"))
    rows = summarise([*measured, *([unread] * len(material.unread))], rounds=settings.rounds, seed=settings.seed)
    return {
        "says": "Deletion shows what an answer depends on, not that it is true.",
        "seed": settings.seed,
        "clips": len(measured) + len(material.unread),
        "measures": [row.to_dict() for row in rows],
    }
