"""`emotrace coldstart`: demonstrations for a student, by a teacher who is shown sheets and, by default, no label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotrace.cli.coldstart_input import held_out_of, limits_of, refuse_beside_captions, source_of
from emotrace.cli.coldstart_servers import Calling, captioned_source, say_spent, served_teacher
from emotrace.cli.console import say, stdout, watching
from emotrace.cli.options import QuietOption
from emotrace.cli.reasoners import EMBEDDED
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.hydra.coldstart.filters import LevelOne
    from emotrace.hydra.coldstart.manifest import Manifest
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
    quiet: QuietOption = False,
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
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="In place of CASES: a table with name, caption, labels and perhaps subtitle. Needs --teacher.",
            rich_help_panel=_CASES,
        ),
    ] = None,
    caption_model: Annotated[
        str | None,
        typer.Option(help="Model that splits captions.", show_default="the teacher's", rich_help_panel=_CASES),
    ] = None,
    caption_server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Its server.", show_default="the teacher's", rich_help_panel=_CASES),
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

    refuse_beside_captions(captions, caption_model, caption_server, teacher, cases, world, data, root, split, choose)
    if teacher == EMBEDDED:
        _refuse_without_server(context)
    limits = limits_of(least_agreement, most_tokens, tokenizer)
    make_folder(out)
    level_one = LevelOne()
    calling = Calling(
        form=form,
        concurrency=concurrency,
        timeout_seconds=timeout,
        patience=patience,
        yes=yes,
        permission=permission,
    )
    with watching("cold start", quiet=quiet) as watch:
        bound = None
        if captions is None:
            source, bound = source_of(cases, world, data, root, split, choose or [], limit, older or [], out, watch)
        else:
            source = captioned_source(
                captions,
                caption_server or teacher,
                caption_model or model,
                calling,
                folder=out,
                older=older or [],
                first=limit,
                watch=watch,
                quiet=quiet,
            )
        who = (
            _embedded(teacher_sees, level_one)
            if teacher == EMBEDDED
            else served_teacher(
                teacher,
                model,
                calling,
                bound=bound,
                folder=out,
                saw=teacher_sees,
                tries=tries,
                temperature=temperature,
                seed=seed,
            )
        )
        plan = Plan(
            k=k,
            limits=limits,
            most_share=most_share,
            seed=seed,
            held_out=held_out_of(test or [], [] if data or captions else older or []),
            concurrency=1 if teacher == EMBEDDED else concurrency,
        )
        try:
            made = build(source, who, plan, level_one=level_one, watch=watch)
        finally:
            say_spent(who, quiet=quiet)
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
