"""The weights that emotrace uses: where each comes from, its licence, its SHA-256, and where it lies on this machine.

Small weights that we trained ourselves are shipped in `assets/`. Others are fetched by `emotrace pull NAME`, and by
nothing else: `resolve` never touches the network.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from emotrace.errors import ChecksumMismatch, DownloadFailed, ModelNotFound, UnwritableOutput, UsageError
from emotrace.files import cache_folder, sha256_of

_CHUNK_BYTES: Final = 1 << 16
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One weights file, pinned by its hash."""

    name: str
    file: str
    """File name in `assets/` or in the cache folder."""
    sha256: str
    bytes: int
    licence: str
    origin: str
    """Who made it, from what."""
    url: str | None = None
    """Where `pull` fetches it; None for weights that are shipped."""

    @property
    def shipped(self) -> bool:
        """Whether the file is part of the package."""
        return self.url is None


REGISTRY: Final[dict[str, Weights]] = {
    weights.name: weights
    for weights in (
        Weights(
            name="yunet",
            file="face_detection_yunet_2026may.onnx",
            sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
            bytes=229_738,
            licence="MIT",
            origin="Shiqi Yu, OpenCV Zoo commit 47534e27c985 (trained on WIDER FACE)",
            url="https://media.githubusercontent.com/media/opencv/opencv_zoo/"
            "47534e27c9851bb1128ccc0102f1145e27f23f98/models/face_detection_yunet/face_detection_yunet_2026may.onnx",
        ),
        Weights(
            name="align",
            file="align.npz",
            sha256="d7bb818b4822101c28109a96b61f6fc614b67d253672731a5b1d77fcb28326c5",
            bytes=30_008,
            licence="Apache-2.0 (trained on CC BY 4.0 photographs)",
            origin="emotrace, recipes/smile_model.py (Face Research Lab London Set, DeBruine & Jones 2017)",
        ),
        Weights(
            name="smile",
            file="smile.npz",
            sha256="93df6f126e114e33d264e48809996e7a22cabcd73393e2eda8c377c363b14990",
            bytes=4_242,
            licence="Apache-2.0 (trained on CC BY 4.0 photographs)",
            origin="emotrace, recipes/smile_model.py (Face Research Lab London Set, DeBruine & Jones 2017)",
        ),
        Weights(
            name="face_encoder",
            file="face_encoder.onnx",
            sha256="31cfd9c322ed1a5e7d16d25bf1cd1dc474edc9cfc687dcbda08596fd7cfc1e8d",
            bytes=373_235,
            licence="Apache-2.0 (trained on faces rendered from ICT-FaceKit meshes, MIT)",
            origin="emotrace, recipes/face_encoder.py (SynthDFER, rendered; meshes of USC ICT 2020)",
        ),
        Weights(
            name="face",
            file="face.onnx",
            sha256="68cf6e203c86ac45298b8fe97e97430abc0ffbad257b93ba1d6138c6a8bb7a4f",
            bytes=3_271_198,
            licence="Apache-2.0 (trained on CC BY 4.0 photographs and on faces rendered from MIT meshes)",
            origin="emotrace, recipes/face_head.py (Face Research Lab London Set, DeBruine & Jones 2017; USC ICT 2020)",
        ),
        Weights(
            name="voice",
            file="voice.onnx",
            sha256="3be589982e79c9e9566e034a5adecc4336762deef0c120b10344340ec58e14ea",
            bytes=122_750,
            licence="Apache-2.0 (trained on CC0 1.0 recordings)",
            origin="emotrace, recipes/voice_head.py (Berlin Database of Emotional Speech, Burkhardt et al. 2005)",
        ),
        Weights(
            name="text",
            file="text.npz",
            sha256="e31723087c280ec91cfe3c9553a8a17b1ef4f9f1b686c229941f0dd414d1ff7e",
            bytes=3_139_851,
            licence="Apache-2.0 (trained on CC BY 4.0 texts)",
            origin="emotrace, recipes/text_head.py (GoEmotions, Demszky et al. 2020; XED; SemEval-2025 task 11)",
        ),
    )
}


def weights(name: str) -> Weights:
    """The entry of that name.

    Raises:
        UsageError: No weights have that name.
    """
    if name not in REGISTRY:
        known = ", ".join(sorted(REGISTRY))
        raise UsageError(f"no weights are called {name!r}", where="model", hint=f"Choose one of: {known}")
    return REGISTRY[name]


def resolve(name: str) -> Path:
    """The file of the weights of that name, verified. Nothing is downloaded.

    Raises:
        UsageError: No weights have that name.
        ModelNotFound: They are not on this machine; the message says how to get them.
        ChecksumMismatch: The file there is not the pinned one.
    """
    entry = weights(name)
    folder = Path(str(files("emotrace") / "assets")) if entry.shipped else cache_folder()
    return verify(folder / entry.file, name=name)


def is_here(name: str) -> bool:
    """Whether the weights are shipped or were pulled; says nothing about whether they are intact."""
    entry = weights(name)
    return entry.shipped or _is_file(cache_folder() / entry.file)


def verify(path: str | Path, *, name: str) -> Path:
    """The path, after its SHA-256 was found to be the pinned one of `name`.

    Raises:
        UsageError: No weights have that name.
        ModelNotFound: There is no such file.
        ChecksumMismatch: The file is another one.
    """
    entry, path = weights(name), Path(path)
    hint = "Install emotrace again" if entry.shipped else f"Run: emotrace pull {name}"
    if not _is_file(path):
        raise ModelNotFound(f"the weights {name!r} are not on this machine", where=path, hint=hint)
    status = path.stat()
    found = _digest(path, status.st_size, status.st_mtime_ns)
    if found != entry.sha256:
        raise ChecksumMismatch(f"SHA-256 is {found[:12]}..., not {entry.sha256[:12]}...", where=path, hint=hint)
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # a closed folder, such as the home of somebody else
        return False


@cache
def _digest(path: Path, _size: int, _modified_ns: int) -> str:
    """SHA-256 of a file, computed again only when its size or its time of change is another."""
    return sha256_of(path)


def pull(name: str, *, url: str | None = None, timeout_seconds: float = 30.0) -> Path:
    """Fetches weights into the cache folder, over https, and keeps them only if their SHA-256 is the pinned one.

    Args:
        name: A name of `REGISTRY`.
        url: Fetch from here instead: a mirror (https), or a server on this machine (http on a loopback address).
        timeout_seconds: How long to wait for the server at each step.

    Returns:
        The file. It is not fetched again when it is already there and right.

    Raises:
        UsageError: No such weights, or an address that is not https.
        DownloadFailed: The server could not be reached, refused, or sent more or less than it should.
        ChecksumMismatch: What arrived is another file; nothing was kept.
        UnwritableOutput: The cache folder cannot be written.
    """
    entry = weights(name)
    if entry.url is None:
        return resolve(name)
    target = cache_folder() / entry.file
    if target.is_file() and _is_right(target, entry):
        return target
    address = entry.url if url is None else url
    _refuse_insecure(address)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{entry.file}.", suffix=".part")
    except OSError as error:
        raise UnwritableOutput(f"cannot be written ({error.strerror})", where=target.parent) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            found = _stream(address, stream, entry, timeout_seconds)
        if found != entry.sha256:
            raise ChecksumMismatch(
                f"what arrived has SHA-256 {found[:12]}..., not {entry.sha256[:12]}...",
                where=address,
                hint="Nothing was kept. Try another mirror with --url",
            )
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
    return target


def _is_right(path: Path, entry: Weights) -> bool:
    try:
        verify(path, name=entry.name)
    except ChecksumMismatch:
        return False
    return True


def _refuse_insecure(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError("weights are fetched over https only", where=address, hint="Give an https address")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that could have been asked for directly."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> urllib.request.Request | None:
        _refuse_insecure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _stream(address: str, into: IO[bytes], entry: Weights, timeout_seconds: float) -> str:
    """Copies the answer to `into` in chunks; its SHA-256. Stops as soon as it is longer than the pinned file."""
    digest, received = hashlib.sha256(), 0
    opener = urllib.request.build_opener(_HttpsOnly)
    hint = "Check the connection, or fetch the file by hand and give its path"
    try:
        with opener.open(address, timeout=timeout_seconds) as answer:
            while chunk := answer.read(_CHUNK_BYTES):
                received += len(chunk)
                if received > entry.bytes:
                    raise ChecksumMismatch(f"the answer is longer than {entry.bytes} bytes", where=address, hint=hint)
                digest.update(chunk)
                into.write(chunk)
    except urllib.error.HTTPError as error:
        raise DownloadFailed(f"the server answered {error.code}", where=address, hint=hint) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DownloadFailed(f"the server could not be read ({reason})", where=address, hint=hint) from None
    if received < entry.bytes:
        raise DownloadFailed(f"only {received} of {entry.bytes} bytes arrived", where=address, hint=hint)
    return digest.hexdigest()
