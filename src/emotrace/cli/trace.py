"""`emotrace trace INPUT...`: reasoning traces of clips, by the embedded observers or by a model that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotrace.cli.console import printable, say, stdout, watching
from emotrace.cli.providers import allow, build_provider, clips_to_trace
from emotrace.errors import ExitCode, UsageError, first_five

if TYPE_CHECKING:
    from emotrace.evidence.mllm import Observer, Outcome, ToTrace
    from emotrace.evidence.reasoning.trace import ReasoningTrace, Settings
    from emotrace.evidence.store import TraceStore

_SERVER, _CORPUS, _QUESTION = "Servers", "A corpus in place of INPUT", "The question"


def trace(
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="INPUT", help="Videos or sound files, or folders of them.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON lines; a run goes on where the last one stopped.")] = (
        Path("traces.jsonl")
    ),
    provider: Annotated[
        Literal["embedded", "http", "gemini", "stored"],
        typer.Option(help="Who is asked: embedded needs nothing, http is any OpenAI-compatible server."),
    ] = "embedded",
    check: Annotated[
        bool, typer.Option("--check", help="Print how far the traces of --out can be trusted; INPUT is not needed.")
    ] = False,
    ground: Annotated[
        bool, typer.Option(help="Check a model's claims against what the embedded observers measure.")
    ] = True,
    traces: Annotated[
        Path | None, typer.Option(help="For stored: the file of traces, ours or another team's.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and --check's table.")] = False,
    calls: Annotated[
        Literal["four", "one"],
        typer.Option(help="One question per modality and a joint one, or one for all.", rich_help_panel=_QUESTION),
    ] = "four",
    labels: Annotated[
        str | None,
        typer.Option(help="Label scheme that scores are asked over, such as mer6.", rich_help_panel=_QUESTION),
    ] = None,
    language: Annotated[
        Literal["en", "zh"], typer.Option(help="Language of question and answer.", rich_help_panel=_QUESTION)
    ] = "en",
    samples: Annotated[
        int, typer.Option(min=1, max=20, help="Answers per question, for self-consistency.", rich_help_panel=_QUESTION)
    ] = 1,
    fps: Annotated[
        float, typer.Option(min=0.1, max=24.0, help="Pictures per second shown.", rich_help_panel=_QUESTION)
    ] = 8.0,
    max_frames: Annotated[int, typer.Option(min=1, help="Most pictures shown.", rich_help_panel=_QUESTION)] = 96,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, rich_help_panel=_QUESTION)] = 0.0,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_QUESTION)] = 0,
    delexicalise: Annotated[
        bool, typer.Option("--delexicalise", help="Let models hear below 400 Hz only.", rich_help_panel=_QUESTION)
    ] = False,
    joint_from: Annotated[
        Literal["material", "sections"],
        typer.Option(help="What the joint question shows: the clip, or the three answers.", rich_help_panel=_QUESTION),
    ] = "material",
    base_url: Annotated[
        str | None,
        typer.Option(help="Address of the server, such as http://127.0.0.1:8000/v1.", rich_help_panel=_SERVER),
    ] = None,
    model: Annotated[str, typer.Option(help="Name of the model.", rich_help_panel=_SERVER)] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send clips to the host without asking.", rich_help_panel=_SERVER)
    ] = False,
    permission: Annotated[
        str | None,
        typer.Option(
            help="The owner's permission to send clips away; kept in every trace.",
            show_default=False,
            rich_help_panel=_SERVER,
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Clips at once.", rich_help_panel=_SERVER)] = 4,
    per_minute: Annotated[
        float | None, typer.Option(min=0.1, help="Most questions a minute.", rich_help_panel=_SERVER)
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Stop asking at this cost; needs prices.", rich_help_panel=_SERVER)
    ] = None,
    prompt_price: Annotated[
        float | None, typer.Option(min=0.0, help="Per million prompt tokens.", rich_help_panel=_SERVER)
    ] = None,
    completion_price: Annotated[
        float | None, typer.Option(min=0.0, help="Per million completion tokens.", rich_help_panel=_SERVER)
    ] = None,
    tries: Annotated[int, typer.Option(min=1, help="How often a busy server is asked.", rich_help_panel=_SERVER)] = 6,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.", rich_help_panel=_SERVER)] = (
        120.0
    ),
    data: Annotated[str | None, typer.Option(help="A corpus, by name.", rich_help_panel=_CORPUS)] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder.", rich_help_panel=_CORPUS)] = None,
    split: Annotated[str | None, typer.Option(help="One split of it.", rich_help_panel=_CORPUS)] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", help="An adapter's argument. May be repeated.", rich_help_panel=_CORPUS),
    ] = None,
) -> None:
    """Write what is seen, heard and said in clips, modality by modality, with how far each part can be trusted.

    With the embedded observers nothing leaves the machine. A server is named before anything is sent to it. Labels,
    names, paths and folds never enter a question.
    """
    from emotrace.evidence.mllm import Observer, asked_settings
    from emotrace.evidence.reasoning.journal import Journal
    from emotrace.evidence.reasoning.trace import ReasoningTrace
    from emotrace.evidence.store import TraceStore
    from emotrace.labels.schemes import scheme

    named = bool(inputs) or data is not None
    if not named and not check:
        raise UsageError("needs clips", where="trace", hint="Name INPUTs, or --data NAME --root FOLDER, or --check")
    if not named and not out.is_file():
        raise UsageError("there is no such file of traces", where=out, hint="Name it with --out")
    store: TraceStore[ReasoningTrace] = TraceStore(out, ReasoningTrace.from_dict)
    if not named:
        print_check(store)
        return
    settings = asked_settings(
        fps=fps,
        max_frames=max_frames,
        temperature=temperature,
        seed=seed,
        samples=samples,
        calls=calls,
        language=language,
        labels=() if labels is None else scheme(labels).labels,
        delexicalise=delexicalise,
        joint_from=joint_from,
    )
    clips, corpus, may_leave = clips_to_trace(inputs or [], data, root, split, choose or [])
    if provider == "stored":
        failed = _import(clips, traces, store, settings, model, quiet=quiet)
    else:
        if max_cost is not None and (prompt_price is None or completion_price is None):
            raise UsageError(
                "a cost cannot be told", where="--max-cost", hint="Name --prompt-price, --completion-price"
            )
        prices = None if prompt_price is None or completion_price is None else (prompt_price, completion_price)
        asked = build_provider(
            provider, base_url, model, tries=tries, per_minute=per_minute, prices=prices, timeout_seconds=timeout
        )
        allow(asked, corpus, may_leave=may_leave, permission=permission, yes=yes)
        observer = Observer(
            asked,
            settings=settings if asked.writes else None,
            journal=Journal.beside(out) if asked.writes else None,
            check=ground,
            most_cost=max_cost,
            permission=permission,
        )
        failed = _run(clips, observer, store, concurrency=concurrency, quiet=quiet)
    if check:
        print_check(store)
    if failed:
        raise typer.Exit(int(ExitCode.BAD_INPUT))


def _run(
    clips: list[ToTrace], observer: Observer, store: TraceStore[ReasoningTrace], *, concurrency: int, quiet: bool
) -> bool:
    """Traces the clips; whether any failed."""
    from emotrace.evidence.mllm import trace_clips

    with watching(f"{len(clips)} clips", quiet=quiet) as watch:
        outcome = trace_clips(clips, observer, store, concurrency=concurrency, watch=watch)
    if not quiet:
        say(_summary(outcome, store.path))
    for what, failed in (("cannot be read", outcome.unread), ("got no answer", outcome.unanswered)):
        if failed:
            say(f"{len(failed)} {what}: {first_five(f'{path.name} ({why})' for path, why in failed)}")
    return bool(outcome.unread or outcome.unanswered)


def _summary(outcome: Outcome, path: Path) -> str:
    used = outcome.usage
    parts = [f"{outcome.written} traced", f"{outcome.kept} known before"]
    if used.calls:
        counted = [f"{used.calls} answers"]
        counted += [f"{used.prompt_tokens} + {used.completion_tokens} tokens"] if used.prompt_tokens is not None else []
        counted += [f"cost {used.cost:.4f}"] if used.cost is not None else []
        parts += counted
    return f"wrote {path}: {', '.join(parts)}"


def _import(
    clips: list[ToTrace],
    traces: Path | None,
    store: TraceStore[ReasoningTrace],
    settings: Settings,
    model: str,
    *,
    quiet: bool,
) -> bool:
    """Takes over traces that exist; whether any clip has none."""
    from emotrace.evidence.providers.stored import StoredTraces
    from emotrace.media.clip import Clip

    if traces is None:
        raise UsageError("no file of traces was named", where="--provider stored", hint="Name it with --traces")
    stored, without, written = StoredTraces(traces), [], 0
    for each in clips:
        found = stored.of(Clip.open(each.path, text=each.text), settings=settings, model=model or "unknown")
        if found is None:
            without.append(each.path.name)
        else:
            written += store.append(found)
    if not quiet:
        say(f"wrote {store.path}: {written} traces of {len(clips)} clips")
    if without:
        say(f"clips without a trace: {first_five(without)}")
    if stored.unused:
        say(f"traces of clips that are not here, left out: {first_five(map(printable, stored.unused))}")
    return bool(without)


def print_check(store: TraceStore[ReasoningTrace]) -> None:
    """The table of `--check`: per section how many answers there are, ρ, soft scores, and which checks failed."""
    from rich.table import Table

    from emotrace.evidence.reasoning.summary import summarise
    from emotrace.evidence.reliability import HARD_CODES

    rows = summarise(store)
    table = Table("section", "answered", "mean ρ", "ρ = 0", "soft scores (mean)", title=f"{len(rows.clips)} clips")
    for part, row in rows.sections.items():
        status = ", ".join(f"{count} {name}" for name, count in row.statuses.items())
        soft = ", ".join(f"{name} {score:.2f}" for name, score in row.soft.items())
        table.add_row(part, status, "-" if row.rho is None else f"{row.rho:.2f}", str(row.zero), soft or "-")
    console = stdout()
    console.print(table)
    failed = [
        f"{part}: {HARD_CODES.get(code, 'there is no answer')} ({code}): {count} of {sum(row.statuses.values())}"
        for part, row in rows.sections.items()
        for code, count in row.failed.items()
    ]
    for line in failed:
        console.print(line)
    if rows.again:
        console.print(f"clips traced more than once, the newest counts: {rows.again}")
