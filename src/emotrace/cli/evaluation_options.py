"""The options of `emotrace evaluate --predict`: whose clips, how a reasoner answers, what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

_PANEL = "Answers by a reasoner, in place of --truth and --pred"

PredictOption = Annotated[
    Literal["hydra"] | None,
    typer.Option(
        "--predict", help="Who answers: hydra reasons on evidence sheets.", show_default=False, rich_help_panel=_PANEL
    ),
]
CasesOption = Annotated[
    Path | None,
    typer.Option(help="JSON lines of cases: sheets with gold.", show_default=False, rich_help_panel=_PANEL),
]
DataOption = Annotated[
    str | None,
    typer.Option(help="A corpus by name, in place of --cases.", show_default=False, rich_help_panel=_PANEL),
]
RootOption = Annotated[Path | None, typer.Option(help="Its folder.", show_default=False, rich_help_panel=_PANEL)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="An adapter's argument. May be repeated.", show_default=False, rich_help_panel=_PANEL),
]
KOption = Annotated[int, typer.Option("-k", min=0, max=4, help="Rival readings per clip.", rich_help_panel=_PANEL)]
AbstainOption = Annotated[
    bool,
    typer.Option("--abstain", help="Let verdicts abstain: scored as empty answers.", rich_help_panel=_PANEL),
]
KeptOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of sheets, answers and replies; a later run goes on from it.",
        show_default="OUT/kept; none without --out",
        rich_help_panel=_PANEL,
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Stop at the first clip without an answer.", rich_help_panel=_PANEL)
]
AgainOption = Annotated[
    bool,
    typer.Option("--again", help="Ask again about clips that had no usable answer.", rich_help_panel=_PANEL),
]
FaithfulnessOption = Annotated[
    bool,
    typer.Option(
        "--faithfulness",
        help="Measure whether answers stand on what they cite: two more verdicts per clip.",
        rich_help_panel=_PANEL,
    ),
]
TaskFilesOption = Annotated[
    Literal["lmms-eval", "vlmevalkit"] | None,
    typer.Option(
        help="Write protocol and --cases as a task of another kit into --out, and leave.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The options of `--predict`, as they were given."""

    cases: Path | None
    data: str | None
    root: Path | None
    split: str | None
    choose: tuple[str, ...]
    k: int
    abstain: bool
    kept: Path | None
    again: bool
    strict: bool
    faithfulness: bool
    reasoner: str
    model: str | None
    yes: bool
    stepwise: bool
    swap: bool
    form: Literal["auto", "json", "tags"]
    samples: int
    permission: str | None
    on_failure: Literal["error", "embedded"]
    tries: int
    timeout_seconds: float
    concurrency: int
    prompt_price: float | None
    completion_price: float | None

    @property
    def prices(self) -> tuple[float, float] | None:
        """Per million prompt and completion tokens."""
        if self.prompt_price is None or self.completion_price is None:
            return None
        return self.prompt_price, self.completion_price

    def file(self, name: str) -> Path | None:
        """A file of the folder where everything asked is kept; None where nothing is."""
        return None if self.kept is None else self.kept / f"{name}.jsonl"
