"""Options that several commands have, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

EncodingOption = Annotated[
    str | None, typer.Option(help="Encoding of the transcript, if it is not Unicode.", show_default=False)
]
PurposeOption = Annotated[
    str, typer.Option(help="What the result is for; kept in it. Prohibited purposes are refused.")
]
KOption = Annotated[int, typer.Option("-k", min=0, max=4, help="Rival readings that are proposed and verified.")]
RateOption = Annotated[float, typer.Option(min=0.1, max=60.0, help="Pictures looked at per second of video.")]
DetectorOption = Annotated[
    Literal["auto", "opencv", "yunet"],
    typer.Option(help="Face detector: opencv needs nothing, yunet is better once pulled; auto takes what is there."),
]
DetectorModelOption = Annotated[
    Path | None, typer.Option(help="Weights of the detector, if not pulled.", show_default=False)
]
VideoOption = Annotated[bool, typer.Option(help="Look at the picture.")]
AudioOption = Annotated[bool, typer.Option(help="Listen to the sound.")]
AbstainOption = Annotated[bool, typer.Option(help="Abstain where the evidence does not decide (off: for benchmarks).")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
