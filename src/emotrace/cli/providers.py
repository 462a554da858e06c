"""Which clips are asked about, who is asked, and whether that is allowed: before anything leaves the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotrace.cli.console import ask_before_sending, needing, say
from emotrace.errors import UsageError, first_five

if TYPE_CHECKING:
    from emotrace.evidence.mllm import ToTrace
    from emotrace.evidence.providers.interface import Provider

MER_NAME = re.compile(r"sample(?:new\d?)?_\d{8}")
"""How the MER challenges name clips [field: MERTools]. Their agreement forbids uploading, in any folder."""


def clips_to_trace(
    inputs: list[Path], data: str | None, root: Path | None, split: str | None, choose: list[str]
) -> tuple[list[ToTrace], str, bool]:
    """The clips, what they are called together, and whether they may leave the machine."""
    from emotrace.datasets.example import AUDIO_SUFFIXES, VIDEO_SUFFIXES
    from emotrace.errors import EmptyMedia, MediaNotFound
    from emotrace.evidence.mllm import ToTrace

    if data is not None:
        if root is None or inputs:
            raise UsageError("a corpus needs its folder, and no INPUT", where="--data", hint="Name it with --root")
        from emotrace.cli.corpus_arguments import adapter_arguments
        from emotrace.datasets.corpora import open_corpus

        corpus = open_corpus(data, root, **adapter_arguments(data, choose))
        examples = list(corpus.examples(split=split, missing="skip"))
        if parts := [each.id for each in examples if each.span is not None or each.kind == "frames"]:
            raise UsageError(
                f"clips that are no files of their own: {first_five(parts)}", where=data, hint="Cut them into files"
            )
        return [ToTrace(path=each.media, text=each.text) for each in examples], corpus.name, corpus.may_leave_machine
    found: list[Path] = []
    for each in inputs:
        if not each.exists():
            raise MediaNotFound("nothing is there", where=each)
        known = VIDEO_SUFFIXES | AUDIO_SUFFIXES
        inside = [p for p in each.rglob("*") if p.suffix.casefold() in known] if each.is_dir() else [each]
        if not inside:
            raise EmptyMedia("no video or sound file is in it", where=each, hint="Name the folder that holds the clips")
        found += sorted(inside)
    bound = [path for path in found if MER_NAME.fullmatch(path.stem)]
    return (
        [ToTrace(path=path) for path in dict.fromkeys(found)],
        "the MER corpora" if bound else "these clips",
        not bound,
    )


def build_provider(
    name: str,
    base_url: str | None,
    model: str,
    *,
    tries: int,
    per_minute: float | None,
    prices: tuple[float, float] | None,
    timeout_seconds: float,
) -> Provider:
    """Who is asked.

    Raises:
        UsageError: No address or model, or no key.
        MissingExtra: What the provider stands on is not installed.
    """
    from emotrace.evidence.providers.retries import Patience

    if name == "embedded":
        from emotrace.evidence.providers.embedded import EmbeddedProvider

        return EmbeddedProvider()
    from emotrace.evidence.providers.http import HttpProvider, Prices

    chosen: dict[str, Any] = {
        "model": model,
        "patience": Patience(tries=tries),
        "per_minute": per_minute,
        "prices": None if prices is None else Prices(prompt=prices[0], completion=prices[1]),
        "timeout_seconds": timeout_seconds,
    }
    if name == "gemini":
        with needing("gemini", "trace --provider gemini"):
            from emotrace.evidence.providers.gemini import GeminiProvider

            return GeminiProvider(**chosen, base_url=base_url)
    if base_url is None:
        raise UsageError("no server was named", where="--provider http", hint="Name its address with --base-url")
    with needing("mllm", "trace --provider http"):
        return HttpProvider(**chosen, base_url=base_url)


def allow(provider: Provider, corpus: str, *, may_leave: bool, permission: str | None, yes: bool) -> None:
    """Names the host, and gets a yes before anything leaves the machine.

    Raises:
        UploadForbidden: The clips' owner forbids it.
        UsageError: Nobody said yes.
    """
    from emotrace.evidence.providers.interface import check_upload, is_on_this_machine

    if provider.host is None:
        return
    check_upload(provider.host, corpus=corpus, may_leave_machine=may_leave, permission=permission)
    say(f"clips are sent to {provider.host} (model {provider.model}): pictures, sound and words, without names")
    if not is_on_this_machine(provider.host):
        ask_before_sending(provider.host, yes=yes)
