"""`emotrace coldstart`: demonstrations for a student, by a teacher who is shown sheets and, by default, no label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from emotrace.cli.coldstart_input import held_out_of, limits_of, source_of
from emotrace.cli.console import ask_before_sending, needing, say, stdout, watching
from emotrace.cli.reasoners import EMBEDDED
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.hydra.coldstart.filters import LevelOne
    from emotrace.hydra.coldstart.manifest import Manifest
    from emotrace.hydra.coldstart.serving import ServedTeacher
    from emotrace.hydra.coldstart.teaching import Teacher

_CASES, _TEACHER, _DEMANDS = "Cases", "Teacher", "What a demonstration must be"
_OF_A_SERVER = ("model", "tries", "temperature", "form", "concurrency", "timeout", "patience", "yes", "permission")


def coldstart(
    context: typer.Context,
    cases: Annotated[
        Path | None, typer.Argument(metavar="CASES", help="JSON lines, each with a sheet and gold.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder; a run goes on where the last one stopped.")] = (
        Path("coldstart")
    ),
    k: Annotated[int, typer.Option(min=0, max=4, help="Hypotheses of each trajectory.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of order, balance, and the teacher's first try.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    world: Annotated[
        str | None, typer.Option(help="In place of CASES: a split of the simulated world.", rich_help_panel=_CASES)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="In place of CASES: a corpus of clips, by name.", rich_help_panel=_CASES)
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder.", rich_help_panel=_CASES)] = None,
    split: Annotated[str | None, typer.Option(help="One split of it.", rich_help_panel=_CASES)] = None,
    choose: Annotated[
        list[str] | None, typer.Option("--set", help="An adapter's argument. May be repeated.", rich_help_panel=_CASES)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first cases alone.", rich_help_panel=_CASES)] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Cases that will be tested on: one that is shared stops the build. May be repeated.",
            rich_help_panel=_CASES,
        ),
    ] = None,
    older: Annotated[
        list[str] | None,
        typer.Option(
            help="Clips that will be tested on: CORPUS=FOLDER, a folder, or a list of names. May be repeated.",
            rich_help_panel=_CASES,
        ),
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(
            metavar="embedded|URL",
            help="Who teaches: the built-in table, or an OpenAI-compatible server.",
            rich_help_panel=_TEACHER,
        ),
    ] = EMBEDDED,
    model: Annotated[
        str | None, typer.Option(help="Name of the model there.", show_default=False, rich_help_panel=_TEACHER)
    ] = None,
    teacher_sees: Annotated[
        Literal["nothing", "labels"],
        typer.Option(help="Whether gold is told to the teacher; every sample says so.", rich_help_panel=_TEACHER),
    ] = "nothing",
    tries: Annotated[
        int,
        typer.Option(min=1, help="Replies asked for per sheet.", rich_help_panel=_TEACHER),
    ] = 4,
    temperature: Annotated[
        float,
        typer.Option(min=0.0, max=2.0, help="Of its replies.", rich_help_panel=_TEACHER),
    ] = 0.7,
    form: Annotated[
        Literal["auto", "json", "tags"],
        typer.Option(help="How replies are written; auto is JSON where the server can.", rich_help_panel=_TEACHER),
    ] = "auto",
    concurrency: Annotated[
        int,
        typer.Option(min=1, max=64, help="Sheets at once.", rich_help_panel=_TEACHER),
    ] = 4,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds to wait for a reply.", rich_help_panel=_TEACHER),
    ] = 120.0,
    patience: Annotated[
        int,
        typer.Option(min=1, help="How often a busy server is asked.", rich_help_panel=_TEACHER),
    ] = 4,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send sheets to the host without asking.", rich_help_panel=_TEACHER)
    ] = False,
    permission: Annotated[
        str | None,
        typer.Option(
            help="The owner's permission to send away what a corpus forbids to; kept in the manifest.",
            show_default=False,
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    most_share: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Of samples with one combination of level-1 clusters.", rich_help_panel=_DEMANDS
        ),
    ] = 0.15,
    least_agreement: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Level-1 F of answer and gold.", rich_help_panel=_DEMANDS)
    ] = 0.5,
    most_tokens: Annotated[int, typer.Option(min=1, help="Of a trajectory.", rich_help_panel=_DEMANDS)] = 1024,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tokenizer that counts them.",
            show_default="characters / 3",
            rich_help_panel=_DEMANDS,
        ),
    ] = None,
) -> None:
    """Make trajectories that a student can imitate: proposed, verified and decided by a teacher, and filtered.

    The teacher sees evidence sheets. Gold selects what is kept; it is told to the teacher only with
    `--teacher-sees labels`. Writes demonstrations.jsonl and manifest.json, which `emotrace verify coldstart` checks.
    """
    from emotrace.files import make_folder
    from emotrace.hydra.coldstart.build import Plan, build
    from emotrace.hydra.coldstart.filters import LevelOne

    if teacher == EMBEDDED:
        _refuse_without_server(context)
    limits = limits_of(least_agreement, most_tokens, tokenizer)
    make_folder(out)
    level_one = LevelOne()
    with watching("cold start", quiet=quiet) as watch:
        source, bound = source_of(cases, world, data, root, split, choose or [], limit, older or [], out, watch)
        who = (
            _embedded(teacher_sees, level_one)
            if teacher == EMBEDDED
            else _served(
                teacher,
                model,
                bound,
                out,
                saw=teacher_sees,
                tries=tries,
                temperature=temperature,
                seed=seed,
                form=form,
                timeout_seconds=timeout,
                patience=patience,
                yes=yes,
                permission=permission,
            )
        )
        plan = Plan(
            k=k,
            limits=limits,
            most_share=most_share,
            seed=seed,
            held_out=held_out_of(test or [], [] if data else older or []),
            concurrency=1 if teacher == EMBEDDED else concurrency,
        )
        try:
            made = build(source, who, plan, level_one=level_one, watch=watch)
        finally:
            _say_spent(who, quiet=quiet)
    manifest = made.write(out)
    if not quiet:
        _print(manifest)
        say(f"wrote {out}: {len(made.demonstrations)} demonstrations of {manifest.source.cases} cases")


def _refuse_without_server(context: typer.Context) -> None:
    """Makes sure that no option of a served teacher stands beside the embedded one."""
    for option in _OF_A_SERVER:
        source = context.get_parameter_source(option)
        if source is not None and source.name != "DEFAULT":
            raise UsageError(
                "this is for a language model, and none was named",
                where=f"--{option}",
                hint="Name its server with --teacher http://HOST/v1",
            )


def _embedded(saw: Literal["nothing", "labels"], level_one: LevelOne) -> Teacher:
    from emotrace.hydra.coldstart.teaching import EmbeddedTeacher

    return EmbeddedTeacher(saw=saw, agreement=level_one.agreement)


def _served(
    url: str,
    model: str | None,
    bound: str | None,
    folder: Path,
    *,
    timeout_seconds: float,
    patience: int,
    yes: bool,
    permission: str | None,
    saw: Literal["nothing", "labels"],
    **asked: Any,
) -> ServedTeacher:
    """The teacher behind an address, once whoever runs the command knows what goes where and agrees."""
    from emotrace.evidence.providers.http import HttpProvider
    from emotrace.evidence.providers.interface import check_upload, is_on_this_machine
    from emotrace.evidence.providers.retries import Patience
    from emotrace.hydra.coldstart.serving import ServedTeacher

    with needing("mllm", "coldstart --teacher"):
        server = HttpProvider(
            base_url=url, model=model or "", patience=Patience(tries=patience), timeout_seconds=timeout_seconds
        )
    host, is_here = str(server.host), is_on_this_machine(server.host)
    check_upload(host, corpus=bound or "these cases", may_leave_machine=bound is None, permission=permission)
    what = "evidence sheets with what is quoted in them" + (", and gold labels," if saw == "labels" else "")
    say(f"{what} go to {host} ({'this' if is_here else 'another'} machine, model {server.model}); no clip or name does")
    if not is_here:
        ask_before_sending(host, yes=yes)
    return ServedTeacher(server, saw=saw, folder=folder, permission=permission, **asked)


def _say_spent(teacher: Teacher, *, quiet: bool) -> None:
    """What a served teacher took; also after a failure, since what was answered is kept."""
    from emotrace.hydra.coldstart.serving import ServedTeacher

    if not isinstance(teacher, ServedTeacher) or quiet:
        return
    used = teacher.spent
    tokens = "" if used.prompt_tokens is None else f", {used.prompt_tokens} + {used.completion_tokens} tokens"
    say(f"asked {teacher.settings['host']}: {used.calls} replies, {teacher.kept} kept from before{tokens}")


def _print(manifest: Manifest) -> None:
    """The counts of the filters, and how the winners stand."""
    from rich.table import Table

    table = Table(
        "filter", "kept", "dropped", "what passes", title=f"{manifest.teacher.name}, saw {manifest.teacher.saw}"
    )
    for count in manifest.counts:
        table.add_row(str(count.filter), str(count.kept), str(count.dropped), count.filter.sentence)
    console = stdout()
    console.print(table)
    if manifest.winner_is_first is not None and manifest.winner_is_first_before is not None:
        before, after = manifest.winner_is_first_before, manifest.winner_is_first
        console.print(f"the winner is h1 in {after:.3f}; as the teacher wrote it, in {before:.3f}")
    console.print(f"mean length {manifest.mean_tokens:g} tokens ({manifest.switches.length_by})")
