"""Servers of `emotrace coldstart`: who teaches, and who splits captions. Nothing is sent before somebody agrees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emotrace.cli.console import ask_before_sending, needing, say

if TYPE_CHECKING:
    from emotrace.evidence.providers.http import HttpProvider
    from emotrace.hydra.coldstart.serving import ServedTeacher
    from emotrace.hydra.coldstart.sources import Source
    from emotrace.hydra.coldstart.teaching import Teacher
    from emotrace.progress import Watch

_CAPTIONS = "captions.jsonl"


@dataclass(frozen=True, kw_only=True)
class Calling:
    """How servers are called, and what whoever runs the command agreed to."""

    form: Literal["auto", "json", "tags"]
    concurrency: int
    timeout_seconds: float
    patience: int
    yes: bool
    permission: str | None

    def server(self, url: str, model: str | None, *, what: str, bound: str | None) -> HttpProvider:
        """The server at an address, once whoever runs the command knows what goes where and agrees.

        Args:
            url: Its address.
            model: A name there.
            what: Is sent, for the person at the keyboard.
            bound: The corpus whose owner lets nothing leave the machine.

        Raises:
            UsageError: No address, no model, or nobody agreed.
            UploadForbidden: The corpus is bound to this machine.
            MissingExtra: The package `openai` is not installed.
        """
        from emotrace.evidence.providers.http import HttpProvider
        from emotrace.evidence.providers.interface import check_upload, is_on_this_machine
        from emotrace.evidence.providers.retries import Patience

        with needing("mllm", "coldstart --teacher"):
            server = HttpProvider(
                base_url=url,
                model=model or "",
                patience=Patience(tries=self.patience),
                timeout_seconds=self.timeout_seconds,
            )
        host, is_here = str(server.host), is_on_this_machine(server.host)
        check_upload(host, corpus=bound or "these cases", may_leave_machine=bound is None, permission=self.permission)
        say(
            f"{what} go to {host} ({'this' if is_here else 'another'} machine, model {server.model}); "
            "no clip or name does"
        )
        if not is_here:
            ask_before_sending(host, yes=self.yes)
        return server


def served_teacher(
    url: str,
    model: str | None,
    calling: Calling,
    *,
    bound: str | None,
    folder: Path,
    saw: Literal["nothing", "labels"],
    **asked: Any,
) -> ServedTeacher:
    """The teacher behind an address. Errors as for `Calling.server`."""
    from emotrace.hydra.coldstart.serving import ServedTeacher

    what = "evidence sheets with what is quoted in them" + (", and gold labels," if saw == "labels" else "")
    server = calling.server(url, model, what=what, bound=bound)
    return ServedTeacher(server, saw=saw, folder=folder, form=calling.form, permission=calling.permission, **asked)


def captioned_source(
    captions: Path,
    url: str,
    model: str | None,
    calling: Calling,
    *,
    folder: Path,
    older: list[str],
    first: int | None,
    watch: Watch,
    quiet: bool,
) -> Source:
    """The descriptions of a table as sheets, split by the model behind an address.

    Raises:
        UnreadableTable, DuplicateName: The table is damaged, lacks a column, or names a clip twice.
        LeakError: A clip is one of an older test.
        ServerFailed: Nobody answered; what was answered before is kept.
        UsageError, UploadForbidden, MissingExtra: As for `Calling.server`.
    """
    from emotrace.datasets.leaks import older_test
    from emotrace.hydra.coldstart.captions import CaptionReader
    from emotrace.hydra.coldstart.sources import from_captions

    tests = [older_test(place) for place in older]
    server = calling.server(url, model, what="descriptions of clips and subtitles", bound=None)
    reader = CaptionReader(server, form=calling.form, replies=folder / _CAPTIONS, permission=calling.permission)
    try:
        source = from_captions(captions, reader, older=tests, first=first, concurrency=calling.concurrency, watch=watch)
    finally:
        if not quiet:
            say(f"asked {server.host} about captions: {reader.spent.calls} replies")
    if not quiet:
        told = [f"{count} {reason}" for reason, count in source.left_out.items() if count]
        say(f"{len(source.cases)} captions read" + (f"; left out: {', '.join(told)}" if told else ""))
        lost = [f"{reason}: {count}" for reason, count in source.settings["lost"].items()]
        say(f"observations lost: {', '.join(lost) or 'none'}")
    return source


def say_spent(teacher: Teacher, *, quiet: bool) -> None:
    """What a served teacher took; also after a failure, since what was answered is kept."""
    from emotrace.hydra.coldstart.serving import ServedTeacher

    if not isinstance(teacher, ServedTeacher) or quiet:
        return
    used = teacher.spent
    tokens = "" if used.prompt_tokens is None else f", {used.prompt_tokens} + {used.completion_tokens} tokens"
    say(f"asked {teacher.settings['host']}: {used.calls} replies, {teacher.kept} kept from before{tokens}")
