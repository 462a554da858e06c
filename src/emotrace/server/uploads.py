"""How a file comes in: a multipart form, written to disk as it arrives, within limits, whole or not at all."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from emotrace.errors import RequestRefused
from emotrace.files import make_folder
from emotrace.server.answers import is_disk_full
from emotrace.server.security import shown_name
from emotrace.server.worker import MEDIA

TRANSCRIPT_ENDINGS: Final = (".srt", ".vtt", ".txt")
_MOST_PARTS: Final = 24
_MOST_TEXT_BYTES: Final = 1_000_000
_MOST_TRANSCRIPT_BYTES: Final = 10_000_000
_REST_BYTES: Final = _MOST_TRANSCRIPT_BYTES + 4 * _MOST_TEXT_BYTES
"""Room for all that a form holds besides its file."""
_WRITE_BYTES: Final = 1 << 18


class Options(BaseModel):
    """The fields of the form, besides `file` and `transcript`; they are those of `emotrace.analyze`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    text: str | None = Field(None, description="What is said, where the times are not known.")
    encoding: str | None = Field(None, max_length=40, description="Of the transcript, if it is not Unicode.")
    purpose: str | None = Field(None, max_length=40, description="What the result is for; kept in it.")
    k: int = Field(2, ge=0, le=4, description="Rival readings that are proposed and verified.")
    rate_hz: float = Field(5.0, ge=0.1, le=30.0, description="Pictures looked at per second.")
    detector: Literal["auto", "opencv", "yunet"] = Field("auto", description="Face detector.")
    use_video: bool = Field(True, description="Look at the picture.")
    use_audio: bool = Field(True, description="Listen to the sound.")
    abstain: bool = Field(True, description="Abstain where the evidence does not decide.")

    @classmethod
    def read(cls, fields: dict[str, str]) -> Options:
        """The options of a form; an empty field is one that was not filled in.

        Raises:
            RequestRefused: 422, names the field at fault.
        """
        try:
            return cls.model_validate({name: value for name, value in fields.items() if value != ""})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            known = ", ".join(("file", "transcript", *cls.model_fields))
            hint = f"The fields are {known}" if first["type"] == "extra_forbidden" else None
            raise RequestRefused(
                f"field {name[:60]!r}: {first['msg']}", status=422, code="invalid_option", hint=hint
            ) from None


@dataclass(kw_only=True)
class Upload:
    """What came."""

    folder: Path
    name: str = ""
    """As the client called it, fit to be shown."""
    bytes: int = 0
    has_file: bool = False
    transcript: str | None = None
    """Name of the transcript's file in the folder."""
    fields: dict[str, str] = field(default_factory=dict)


async def receive(request: Request, folder: Path, *, most_bytes: int, stall_seconds: float) -> Upload:
    """Reads the form of a request into a new folder; leaves no folder where that fails.

    Raises:
        RequestRefused: 400 for a malformed form, 408 where the client stalls, 413 for too much, 415 for another type
            of body or of transcript, 422 for a field that cannot be, 507 for a full disk.
        ClientDisconnect: The client has gone.
    """
    boundary = _boundary(request)
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > most_bytes + _REST_BYTES:
            raise _too_large("file", most_bytes)
    make_folder(folder)
    form = _Form(boundary, folder, most_bytes)
    try:
        try:
            async for piece in _pieces(request, stall_seconds):
                await asyncio.to_thread(form.take, piece)
            return await asyncio.to_thread(form.end)
        finally:
            await asyncio.to_thread(form.close)
    except BaseException as error:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if isinstance(error, OSError) and is_disk_full(error):
            raise RequestRefused(
                "the server's disk is full", status=507, code="disk_full", hint="Try again later"
            ) from error
        raise


def _boundary(request: Request) -> bytes:
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise RequestRefused(
            "the body is not a form",
            status=415,
            code="not_multipart",
            hint="Send multipart/form-data with a field `file`, as `curl -F file=@talk.mp4` does",
        )
    if not parameters.get(b"boundary"):
        raise RequestRefused("the form states no boundary", status=400, code="malformed_form")
    return parameters[b"boundary"]


async def _pieces(request: Request, stall_seconds: float) -> AsyncIterator[bytes]:
    """The body in pieces worth a trip to the disk. What trickles in ends where it is slower than a modem."""
    pending, stream, since = bytearray(), request.stream(), time.monotonic()
    while True:
        try:
            async with asyncio.timeout(stall_seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise _stalled(stall_seconds) from None
        if chunk is None:
            break
        pending += chunk
        if len(pending) >= _WRITE_BYTES:
            yield bytes(pending)
            pending.clear()
            since = time.monotonic()
        elif time.monotonic() - since > 3 * stall_seconds:
            raise _stalled(3 * stall_seconds)
    yield bytes(pending)


def _stalled(seconds: float) -> RequestRefused:
    return RequestRefused(f"next to nothing came for {seconds:g} s", status=408, code="upload_stalled")


def _too_large(what: str, most_bytes: int) -> RequestRefused:
    limit = f"{most_bytes / 1e6:g} MB"
    return RequestRefused(
        f"the {what} is larger than the limit of {limit}",
        status=413,
        code="too_large",
        hint="Cut it, or scale the picture down",
    )


class _Form:
    """Takes the body's pieces, and puts each part where it belongs."""

    def __init__(self, boundary: bytes, folder: Path, most_bytes: int) -> None:
        self._upload = Upload(folder=folder)
        self._most_bytes, self._left = most_bytes, most_bytes + _REST_BYTES
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._parts, self._ended, self._room = 0, False, 0
        self._name, self._text = "", bytearray()
        self._file: BinaryIO | None = None
        callbacks: Any = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open_part,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end_form,
        }
        self._parser = MultipartParser(boundary, callbacks)

    def take(self, piece: bytes) -> None:
        """Takes the next bytes of the body."""
        self._left -= len(piece)
        if self._left < 0:  # also where there is no end of what comes before or after the parts
            raise _too_large("form", self._most_bytes + _REST_BYTES)
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise RequestRefused(f"the form is malformed ({error})", status=400, code="malformed_form") from None

    def end(self) -> Upload:
        """What came, once the body has ended."""
        if not self._ended:
            raise RequestRefused("the form ends before its last boundary", status=400, code="malformed_form")
        if not self._upload.has_file:
            raise RequestRefused("the form has no file", status=422, code="no_file", hint="Name its field `file`")
        return self._upload

    def close(self) -> None:
        """Closes what is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise RequestRefused("the form has too many fields", status=400, code="malformed_form")
        self._headers, self._header, self._value = {}, b"", b""

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _open_part(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        sent_name = parameters.get(b"filename", b"").decode("utf-8", "replace")
        if self._name in self._upload.fields or (self._name == "file" and self._upload.has_file):
            raise RequestRefused(f"field {self._name[:60]!r} came twice", status=422, code="invalid_option")
        if self._name == "file":
            self._upload.name, self._upload.has_file, self._room = shown_name(sent_name), True, self._most_bytes
            self._file = (self._upload.folder / MEDIA).open("xb")
        elif self._name == "transcript":
            self._open_transcript(sent_name)
        else:
            self._room = _MOST_TEXT_BYTES
            self._text.clear()

    def _open_transcript(self, sent_name: str) -> None:
        ending = next((e for e in TRANSCRIPT_ENDINGS if sent_name.lower().endswith(e)), None)
        if ending is None:
            endings = ", ".join(TRANSCRIPT_ENDINGS)
            raise RequestRefused(
                f"a transcript's name has to end in one of {endings}", status=415, code="unreadable_transcript"
            )
        if self._upload.transcript is not None:
            raise RequestRefused("field 'transcript' came twice", status=422, code="invalid_option")
        self._upload.transcript, self._room = f"transcript{ending}", _MOST_TRANSCRIPT_BYTES
        self._file = (self._upload.folder / self._upload.transcript).open("xb")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._room -= end - start
        if self._room < 0:
            limits = {"file": self._most_bytes, "transcript": _MOST_TRANSCRIPT_BYTES}
            raise _too_large(self._name if self._name in limits else "text", limits.get(self._name, _MOST_TEXT_BYTES))
        if self._file is None:
            self._text += data[start:end]
            return
        self._file.write(data[start:end])
        if self._name == "file":
            self._upload.bytes += end - start

    def _end_part(self) -> None:
        if self._file is not None:
            self.close()
            return
        try:
            self._upload.fields[self._name] = self._text.decode()
        except UnicodeDecodeError:
            raise RequestRefused(f"field {self._name[:60]!r} is not UTF-8", status=422, code="invalid_option") from None

    def _end_form(self) -> None:
        self._ended = True
