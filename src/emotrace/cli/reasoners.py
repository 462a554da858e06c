"""The language model that `analyze --reasoner` names: its options, and the yes before anything is sent to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotrace.cli.console import ask_before_sending, needing, say
from emotrace.cli.providers import MER_NAME
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.hydra.asking.view import ClipView
    from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
    from emotrace.hydra.reasoners.mllm import MllmReasoner
    from emotrace.media.clip import Clip
    from emotrace.results import Analysis

_PANEL = "A language model as the reasoner"
EMBEDDED = "embedded"

ReasonerOption = Annotated[
    str,
    typer.Option(
        metavar="embedded|URL",
        help="Who weighs the evidence: the built-in table, or an OpenAI-compatible server such as "
        "http://127.0.0.1:8000/v1, which is then sent the evidence.",
        rich_help_panel=_PANEL,
    ),
]
ModelOption = Annotated[
    str | None, typer.Option(help="Name of the model there.", show_default=False, rich_help_panel=_PANEL)
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Send the evidence to the host without asking.", rich_help_panel=_PANEL)
]
StepwiseOption = Annotated[
    bool,
    typer.Option("--stepwise", help="Ask for each step by itself: K + 2 questions, not one.", rich_help_panel=_PANEL),
]
SwapOption = Annotated[
    bool, typer.Option(help="Decide again with the readings in another order.", rich_help_panel=_PANEL)
]
FormOption = Annotated[
    Literal["auto", "json", "tags"],
    typer.Option(
        help="How replies are written; auto is JSON where the server takes schemas, else tags.", rich_help_panel=_PANEL
    ),
]
FramesOption = Annotated[
    int, typer.Option(min=0, max=64, help="Frames sent per question; 0 sends none.", rich_help_panel=_PANEL)
]
SendSoundOption = Annotated[
    bool,
    typer.Option("--send-sound", help="Send the sound too, if the server takes it.", rich_help_panel=_PANEL),
]
SendWordsOption = Annotated[
    bool, typer.Option(help="Send what is said; else it is blanked on the sheet too.", rich_help_panel=_PANEL)
]
RepliesOption = Annotated[
    Path | None,
    typer.Option(
        help="JSON lines with the replies, so that a second run asks nothing twice.",
        show_default="FILE.replies.jsonl beside the result; none with --json -",
        rich_help_panel=_PANEL,
    ),
]
PermissionOption = Annotated[
    str | None,
    typer.Option(
        help="The owner's permission to send a clip away that its corpus forbids to; kept in the result.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
SamplesOption = Annotated[
    int,
    typer.Option(
        min=1, max=20, help="Replies that vote on the answer, at temperature 0.7 if several.", rich_help_panel=_PANEL
    ),
]
PromptPriceOption = Annotated[
    float | None, typer.Option(min=0.0, help="Per million prompt tokens.", show_default=False, rich_help_panel=_PANEL)
]
CompletionPriceOption = Annotated[
    float | None,
    typer.Option(min=0.0, help="Per million completion tokens.", show_default=False, rich_help_panel=_PANEL),
]
OnFailureOption = Annotated[
    Literal["error", "embedded"],
    typer.Option(
        help="Where replies stay unusable: stop, or let the built-in table reason about that stretch; its verdict "
        "says so.",
        rich_help_panel=_PANEL,
    ),
]
TriesOption = Annotated[int, typer.Option(min=1, help="How often a busy server is asked.", rich_help_panel=_PANEL)]
ConcurrencyOption = Annotated[
    int,
    typer.Option(min=1, max=64, help="About how many sheets the server is asked at once.", rich_help_panel=_PANEL),
]
TimeoutOption = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one reply.", rich_help_panel=_PANEL)]


def open_reasoner(
    url: str,
    model: str | None,
    clip: Clip,
    *,
    yes: bool = False,
    form: Literal["auto", "json", "tags"] = "auto",
    frames: int = 8,
    send_sound: bool = False,
    send_words: bool = True,
    replies: Path | None = None,
    permission: str | None = None,
    samples: int = 1,
    prompt_price: float | None = None,
    completion_price: float | None = None,
    tries: int = 4,
    timeout_seconds: float = 120.0,
) -> MllmReasoner:
    """The reasoner behind an address, once whoever runs the command knows what goes where and agrees.

    Raises:
        UsageError: Not an http address, no model, one price without the other, or nobody said yes.
        UploadForbidden: The clip's corpus forbids sending it to another machine.
        MissingExtra: The package `openai` is not installed.
        UnreadableTrace: The file of replies is damaged.
    """
    from emotrace.evidence.providers.http import HttpProvider, Prices
    from emotrace.evidence.providers.interface import check_upload, is_on_this_machine
    from emotrace.evidence.providers.retries import Patience
    from emotrace.hydra.asking.replies import Replies
    from emotrace.hydra.asking.view import ClipView
    from emotrace.hydra.reasoners.mllm import MllmReasoner

    prices = None
    if prompt_price is not None and completion_price is not None:
        prices = Prices(prompt=prompt_price, completion=completion_price)
    elif prompt_price is not None or completion_price is not None:
        given = "--completion-price" if prompt_price is None else "--prompt-price"
        raise UsageError("a cost cannot be told", where=given, hint="Name --prompt-price, --completion-price")
    with needing("mllm", "analyze --reasoner"):
        server = HttpProvider(
            base_url=url,
            model=model or "",
            patience=Patience(tries=tries),
            prices=prices,
            timeout_seconds=timeout_seconds,
        )
    host, is_here = str(server.host), is_on_this_machine(server.host)
    bound = MER_NAME.fullmatch(clip.path.stem) is not None
    check_upload(host, corpus="the MER corpora", may_leave_machine=not bound, permission=permission)
    view = ClipView(clip, frames=frames, sound=send_sound, words=send_words)
    say(f"{_told(view)} go to {host} ({'this' if is_here else 'another'} machine, model {server.model}); no name does")
    if not is_here:
        ask_before_sending(host, yes=yes)
    return MllmReasoner(server, view=view, form=form, samples=samples, replies=Replies(replies), permission=permission)


def _told(view: ClipView) -> str:
    """What may be sent, in a line."""
    parts = ["evidence sheets", f"up to {view.frames} frames per question" if view.frames else "no frames"]
    parts.append(f"{view.sound_seconds:.1f} s of sound" if view.sound else "no sound")
    parts.append(f"{view.word_count} words of transcript" if view.words else "no words of transcript")
    return ", ".join(parts)


def refuse_without_server(context: typer.Context) -> None:
    """Makes sure that no option of a language model, whatever its value, stands beside the embedded reasoner.

    Raises:
        UsageError: Names the option.
    """
    for option in context.command.params:
        of_a_model = getattr(option, "rich_help_panel", None) == _PANEL and option.name not in (None, "reasoner")
        source = context.get_parameter_source(option.name or "")
        if of_a_model and source is not None and source.name != "DEFAULT":
            raise UsageError(
                "this is for a language model, and none was named",
                where="/".join((*option.opts[:1], *option.secondary_opts[:1])),
                hint="Name its server with --reasoner http://HOST/v1",
            )


def reserve_of(on_failure: Literal["error", "embedded"]) -> EmbeddedReasoner | None:
    """Who reasons where a model's replies cannot be used."""
    from emotrace.hydra.reasoners.embedded import EmbeddedReasoner

    return EmbeddedReasoner() if on_failure == "embedded" else None


def print_reserved(analysis: Analysis) -> None:
    """How many stretches the reserve reasoned about."""
    verdicts = [s.verdict for person in analysis.persons for s in (*person.segments, person.overall)]
    if count := sum(verdict.instead_of is not None for verdict in verdicts):
        say(f"{count} of {len(verdicts)} stretches, wholes included, are the embedded reasoner's: no reply was usable")


def print_spent(reasoner: MllmReasoner) -> None:
    """What a run took, as the server reported it."""
    used, kept = reasoner.spent, sum(each.cached for each in reasoner.exchanges)
    anew = sum(each.anew for each in reasoner.exchanges)
    parts = [f"{used.calls} replies", f"{kept} kept from before"]
    if anew:
        parts.append(f"{anew} asked anew as what was kept could not be used")
    if used.prompt_tokens is not None and used.completion_tokens is not None:
        pictures = "" if used.image_tokens is None else f" ({used.image_tokens} of them pictures)"
        parts.append(f"{used.prompt_tokens}{pictures} + {used.completion_tokens} tokens")
    if used.seconds is not None:
        parts.append(f"{used.seconds:.1f} s")
    if used.cost is not None:
        parts.append(f"cost {used.cost:.4f}")
    say(f"asked {reasoner.settings['host']}: {', '.join(parts)}")
