"""`emotrace analyze FILE`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.console import refuse_to_replace, say, stdout, watching, write_stdout
from emotrace.cli.options import (
    AbstainOption,
    AudioOption,
    DetectorModelOption,
    DetectorOption,
    EncodingOption,
    KOption,
    PurposeOption,
    QuietOption,
    RateOption,
    VideoOption,
)
from emotrace.cli.reasoners import (
    EMBEDDED,
    CompletionPriceOption,
    ConcurrencyOption,
    FormOption,
    FramesOption,
    ModelOption,
    OnFailureOption,
    PermissionOption,
    PromptPriceOption,
    ReasonerOption,
    RepliesOption,
    SamplesOption,
    SendSoundOption,
    SendWordsOption,
    StepwiseOption,
    SwapOption,
    TimeoutOption,
    TriesOption,
    YesOption,
    open_reasoner,
    print_reserved,
    print_spent,
    refuse_without_server,
    reserve_of,
)
from emotrace.cli.systems import ObserverName, SystemName, load_systems
from emotrace.errors import ExitCode


def analyze(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A video, sound or picture file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if it is not there.")] = Path(),
    report: Annotated[
        bool, typer.Option("--report", help="Also write FILE.emotrace.html, one page that works offline.")
    ] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Blur every face in the report.")] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="PATH|-",
            help="Write the JSON here; - prints it and writes no other file.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="What is said, where the times are not known.", show_default=False)
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(help="A .srt, .vtt or .txt file; else one beside FILE or inside it is found.", show_default=False),
    ] = None,
    encoding: EncodingOption = None,
    purpose: PurposeOption = "unspecified",
    k: KOption = 2,
    rate: RateOption = 5.0,
    detector: DetectorOption = "auto",
    detector_model: DetectorModelOption = None,
    max_duration: Annotated[float, typer.Option(min=0.1, help="Refuse files longer than this many seconds.")] = 7200.0,
    video: VideoOption = True,
    audio: AudioOption = True,
    heads: Annotated[
        bool, typer.Option(help="Let the trained heads read face, voice and words (off: measured signals alone).")
    ] = True,
    with_systems: Annotated[
        list[SystemName] | None,
        typer.Option("--with", help="Let a trained model read the clip too, with its --weights. May be repeated."),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Of each --with: the folder that training wrote, such as f1/last.", show_default=False),
    ] = None,
    class_words: Annotated[
        bool, typer.Option("--class-words", help="Match also the words that are typical of GRACE's likeliest label.")
    ] = False,
    provider: Annotated[
        ObserverName | None,
        typer.Option(
            help="Who writes the traces for priors: the embedded observers, --traces of an earlier run, or nobody.",
            show_default="embedded; stored with --traces",
        ),
    ] = None,
    traces: Annotated[
        Path | None, typer.Option(help="For priors: a file of `emotrace trace`.", show_default=False)
    ] = None,
    abstain: AbstainOption = True,
    reasoner: ReasonerOption = EMBEDDED,
    model: ModelOption = None,
    yes: YesOption = False,
    stepwise: StepwiseOption = False,
    swap: SwapOption = True,
    form: FormOption = "auto",
    frames: FramesOption = 8,
    send_sound: SendSoundOption = False,
    send_words: SendWordsOption = True,
    replies: RepliesOption = None,
    permission: PermissionOption = None,
    samples: SamplesOption = 1,
    prompt_price: PromptPriceOption = None,
    completion_price: CompletionPriceOption = None,
    on_failure: OnFailureOption = "error",
    tries: TriesOption = 4,
    timeout: TimeoutOption = 120.0,
    concurrency: ConcurrencyOption = 8,
    brief: Annotated[bool, typer.Option(help="Print the verdicts without their evidence.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Say which emotions a viewer would perceive in a file, when, how surely, and on what evidence.

    Writes FILE.emotrace.json into the folder of --out. Nothing leaves the machine, unless --reasoner names a server;
    that is told, with what is sent, before anything is.
    """
    from emotrace.files import make_folder, write_atomically
    from emotrace.pipeline import analyze as run

    if json is not None and json != "-":
        refuse_to_replace(file, Path(json))
    systems = load_systems(with_systems or (), weights or (), class_words=class_words, provider=provider, traces=traces)
    mind = None
    if reasoner == EMBEDDED:
        refuse_without_server(context)
    else:
        from emotrace.media.clip import Clip

        clip = Clip.open(
            file,
            text=text,
            transcript_path=transcript,
            encoding=encoding,
            max_duration_seconds=max_duration,
            use_video=video,
            use_audio=audio,
        )
        if replies is None and json != "-":
            replies = make_folder(out) / f"{file.stem}.replies.jsonl"
        mind = open_reasoner(
            reasoner,
            model,
            clip,
            yes=yes,
            form=form,
            frames=frames,
            send_sound=send_sound,
            send_words=send_words,
            replies=replies,
            permission=permission,
            samples=samples,
            prompt_price=prompt_price,
            completion_price=completion_price,
            tries=tries,
            timeout_seconds=timeout,
        )
    with watching(file.name, quiet=quiet) as watch:
        analysis = run(
            file,
            text=text,
            transcript=transcript,
            encoding=encoding,
            purpose=purpose,
            systems=systems,
            reasoner=mind,
            reserve=reserve_of(on_failure),
            mode="steps" if stepwise else "one",
            swap_check=None if swap else False,
            concurrency=concurrency,
            k=k,
            rate_hz=rate,
            detector=detector,
            detector_model=detector_model,
            max_duration_seconds=max_duration,
            use_video=video,
            use_audio=audio,
            heads=heads,
            abstain=abstain,
            watch=watch,
        )
    if mind is not None and not quiet:
        print_spent(mind)
    written = []
    if json == "-":
        write_stdout(analysis.to_json())
    else:
        target = Path(json) if json is not None else make_folder(out) / f"{file.stem}.emotrace.json"
        write_atomically(target, analysis.to_json())
        written.append(target)
        if not quiet:
            from emotrace.cli.summary import print_summary

            print_summary(analysis, stdout(), brief=brief)
    if report:
        from emotrace.report.page import write as write_report

        page = make_folder(out) / f"{file.stem}.emotrace.html"
        write_report(analysis, page, media=file, redact=redact)
        written.append(page)
    if not quiet:
        for path in written:
            say(f"wrote {path}")
    if not quiet:
        print_reserved(analysis)
    if analysis.abstained:
        raise typer.Exit(int(ExitCode.ABSTAINED))
