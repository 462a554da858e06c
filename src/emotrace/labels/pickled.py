"""Reads npz files, pickled ones included, without ever running what a pickle says.

Corpora of the field ship labels as npz files whose members are object arrays, which are pickles. Here a pickle is first
read opcode by opcode, and only opcodes that build plain values, or name one of six numpy objects, pass. Those six names
then resolve to inert stand-ins made for this one file, never to numpy's functions. Anything else raises `UnsafePickle`.
"""

from __future__ import annotations

import encodings.cp437  # noqa: F401 - zipfile decodes names with it: reading a file must import nothing
import io
import math
import pickle
import pickletools
import re
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.errors import UnreadableTable, UnsafePickle

MAX_MEMBERS = 64
MAX_UNPACKED_BYTES = 256 * 2**20
MAX_RATIO = 200
MAX_DEPTH = 16
MAX_VALUES_PER_BYTE = 4
"""Values that a pickle may unfold to: a small one can name the same list very many times, an honest one does not."""

_ALLOWED_GLOBALS = frozenset(
    f"{module} {name}"
    for module, name in [
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    ]
)
_PLAIN_OPCODES = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP GLOBAL STACK_GLOBAL REDUCE BUILD "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 STRING BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_LIST APPEND APPENDS LIST "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS"
)
_ALLOWED_OPCODES = frozenset(_PLAIN_OPCODES.split())
_NUMBER_OR_TEXT = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|U[0-9]{1,6}|[?])")
_BROKEN = (
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
)
"""What Python's own readers raise on bytes that are not what they should be."""


def read_npz(path: Path | str) -> dict[str, Any]:
    """Reads every member of an npz file.

    Returns:
        Member name -> numpy array for members of numbers or text; for object members the plain value that they hold:
        a dict, list, str, int, float, bool or None, at most 16 levels deep (a 0-d array gives its one value, others
        lists).

    Raises:
        UnsafePickle: A pickle asks for anything but plain values. Nothing of it was run.
        UnreadableTable: Not an npz file, damaged, or over a limit (64 members, 256 MB unpacked, packed 200 to 1).
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_UNPACKED_BYTES:
            raise UnreadableTable(f"larger than {MAX_UNPACKED_BYTES} bytes", where=path)
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            members = _checked_members(archive, path)
            return {
                member.filename.removesuffix(".npy"): _read_member(archive.read(member), member.filename, path)
                for member in members
            }
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, RuntimeError, EOFError) as error:
        raise UnreadableTable(f"not an npz file, or a damaged one ({error})", where=path) from None
    except OSError as error:
        raise UnreadableTable(f"cannot be read ({error.strerror})", where=path) from None


def read_npy(path: Path | str) -> Any:
    """Reads one .npy file under the same rules as a member of an npz file; a 0-d text or number comes as itself.

    Raises:
        UnsafePickle: Its pickle asks for anything but plain values. Nothing of it was run.
        UnreadableTable: Not an npy file, damaged, or over a limit.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_UNPACKED_BYTES:
            raise UnreadableTable(f"larger than {MAX_UNPACKED_BYTES} bytes", where=path)
        value = _read_member(path.read_bytes(), path.name, path)
    except OSError as error:
        raise UnreadableTable(f"cannot be read ({error.strerror})", where=path) from None
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _checked_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(members) > MAX_MEMBERS:
        raise UnreadableTable(f"has {len(members)} members, more than {MAX_MEMBERS}", where=path)
    if len(set(names)) != len(names) or not all(name.endswith(".npy") for name in names):
        raise UnreadableTable("has members of equal name, or members that are not .npy arrays", where=path)
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise UnreadableTable(f"unpacks to more than {MAX_UNPACKED_BYTES} bytes", where=path)
    for member in members:
        if member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise UnreadableTable(f"{member.filename!r} is packed more than {MAX_RATIO} to 1", where=path)
    return members


def _read_member(data: bytes, member: str, path: Path) -> Any:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in {(1, 0), (2, 0)}:
            raise ValueError(f"npy format {version}")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if dtype == np.dtype(object):
            return _read_pickle(data[stream.tell() :], member, path)
        if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
            raise ValueError(f"an array of {dtype}")
        if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
            raise ValueError(f"the header promises {shape} values of {dtype}, the data hold another number")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except _BROKEN as error:
        if isinstance(error, UnreadableTable | UnsafePickle):
            raise
        raise UnreadableTable(f"member {member!r} is damaged ({type(error).__name__}: {error})", where=path) from None


def _read_pickle(data: bytes, member: str, path: Path) -> Any:
    _scan(data, member, path)
    value = _PlainUnpickler(io.BytesIO(data), member, path).load()
    if not isinstance(value, _Array):
        raise ValueError(f"an object array that holds a {type(value).__name__}")
    return _Plain(member, path, budget=1_000 + MAX_VALUES_PER_BYTE * len(data)).value(value, depth=0)


def _scan(data: bytes, member: str, path: Path) -> None:
    """Refuses opcodes that could do more than build plain values, before any is carried out."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _ALLOWED_OPCODES:
            raise UnsafePickle(f"the opcode {opcode.name}", member, where=path)
        if opcode.name == "GLOBAL" and argument not in _ALLOWED_GLOBALS:
            raise UnsafePickle(str(argument).replace(" ", "."), member, where=path)
        # The C reader makes room up to the number given here, however large.
        if opcode.name in {"PUT", "LONG_BINPUT"} and int(str(argument)) > len(data):
            raise UnreadableTable(f"member {member!r} is damaged (memo {argument})", where=path)


class _PlainUnpickler(pickle.Unpickler):
    """Builds plain values; the few names it knows become `_StandIn`s."""

    def __init__(self, stream: io.BytesIO, member: str, path: Path) -> None:
        super().__init__(stream)
        self._member, self._path = member, path

    def find_class(self, module: str, name: str) -> Any:
        if f"{module} {name}" not in _ALLOWED_GLOBALS:
            raise UnsafePickle(f"{module}.{name}", self._member, where=self._path)
        return _StandIn(name)

    def persistent_load(self, identifier: object) -> Any:
        raise UnsafePickle("a persistent object", self._member, where=self._path)


class _Array:
    """What stands in for an object array: filled by its own state, never by numpy."""

    __slots__ = ("items", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.items: list[Any] = []

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, _, items = state
        if not isinstance(dtype, _DType) or dtype.code not in {"O", "O8", "|O", "|O8"} or not isinstance(items, list):
            raise ValueError("an array in the pickle is not an object array")
        if not all(isinstance(size, int) and size >= 0 for size in shape) or math.prod(shape) != len(items):
            raise ValueError(f"an array of shape {shape} with {len(items)} values")
        self.shape, self.items = tuple(shape), items


class _DType:
    """What stands in for `numpy.dtype`: a code and a byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        if len(state) < 5 or any(part is not None for part in state[2:5]) or state[1] not in ("<", ">", "|", "="):
            raise ValueError("a dtype with fields or subarrays")
        self.order = state[1]


class _StandIn:
    """What stands in for one of numpy's names: does nothing but make an `_Array`, a `_DType` or a plain scalar."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "_reconstruct":
            return _Array()
        if self.name == "dtype" and arguments and isinstance(arguments[0], str):
            return _DType(arguments[0])
        if self.name == "scalar" and len(arguments) == 2 and isinstance(arguments[0], _DType):
            return self._scalar(arguments[0], arguments[1])
        raise ValueError(f"numpy's {self.name} called in an unknown way")

    @staticmethod
    def _scalar(dtype: _DType, data: Any) -> Any:
        if not _NUMBER_OR_TEXT.fullmatch(dtype.code) or not isinstance(data, bytes):
            raise ValueError(f"a scalar of dtype {dtype.code}")
        kind = np.dtype(dtype.code).newbyteorder("=" if dtype.order == "|" else dtype.order)  # type: ignore[arg-type]
        (value,) = np.frombuffer(data, dtype=kind).tolist()
        return value

    def __setstate__(self, state: Any) -> None:
        raise ValueError("the pickle changes one of numpy's names")


class _Plain:
    """Turns what was unpickled into dicts, lists, texts, numbers, booleans and None, or refuses."""

    def __init__(self, member: str, path: Path, *, budget: int) -> None:
        self._member, self._path, self._left = member, path, budget

    def value(self, item: Any, *, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            what = f"deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else "far larger unfolded than in the file"
            raise UnreadableTable(f"member {self._member!r} is {what}", where=self._path)
        if item is None or type(item) in (str, int, float, bool):
            return item
        if type(item) is list or type(item) is tuple:
            return [self.value(each, depth=depth + 1) for each in item]
        if type(item) is dict:
            return {self._key(key): self.value(each, depth=depth + 1) for key, each in item.items()}
        if type(item) is _Array:
            values = [self.value(each, depth=depth + 1) for each in item.items]
            return _nested(values, item.shape)
        raise UnsafePickle(f"a {type(item).__name__}", self._member, where=self._path)

    def _key(self, key: Any) -> Any:
        if key is None or type(key) in (str, int, float, bool):
            return key
        raise UnsafePickle(f"a dict key of type {type(key).__name__}", self._member, where=self._path)


def _nested(values: list[Any], shape: tuple[int, ...]) -> Any:
    """Lists of lists of the given shape; the one value itself for a 0-d array."""
    if not shape:
        return values[0]
    for size in reversed(shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)] if size else []
    return values
