"""Ordinary label files are read; hostile ones are refused before anything in them runs."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import UnreadableTable, UnsafePickle
from emotrace.labels.pickled import read_npy, read_npz

HEADER = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Restored:
    """Pickles as an instance with state."""

    def __init__(self) -> None:
        self.state = 1


def in_array(payload: Any, protocol: int = 3) -> bytes:
    box = np.empty((), dtype=object)
    box[()] = payload
    return HEADER + pickle.dumps(box, protocol=protocol)


def around(opcodes: bytes) -> bytes:
    """A well-formed object array whose one value is made by `opcodes`."""
    start = b"\x80\x03" + RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01)"
    return HEADER + start + b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R\x89]" + opcodes + b"atb."


def deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def laughs() -> list[Any]:
    level: list[Any] = ["ha"] * 10
    for _ in range(12):
        level = [level] * 10
    return level


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def with_shape(shape: str, descr: str = "<f8", data: bytes = b"\0" * 8) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00v\x00" + text + data


TARGET = "touch-me"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "os.system": lambda: in_array(Calls(os.system, f"touch {TARGET}")),
    "posix.system by hand": lambda: around(b"cposix\nsystem\nX\x05\x00\x00\x00ls -l\x85R"),
    "builtins.eval": lambda: in_array(Calls(eval, f"open({TARGET!r}, 'w')")),
    "builtins.exec": lambda: in_array(Calls(exec, f"open({TARGET!r}, 'w')")),
    "builtins.open": lambda: in_array(Calls(open, TARGET, "w")),
    "builtins.getattr": lambda: in_array(Calls(getattr, os, "system")) if False else around(b"cbuiltins\ngetattr\n"),
    "__import__": lambda: in_array(Calls(__import__, "socket")),
    "inside a dict": lambda: in_array({"a": [{"b": Calls(os.getcwd)}]}),
    "inside a list twice": lambda: in_array([Calls(os.getcwd), Calls(Calls, os.getcwd)]),
    "protocol 0": lambda: in_array(Calls(os.system, "true"), protocol=0),
    "protocol 2": lambda: in_array(Calls(os.system, "true"), protocol=2),
    "protocol 4": lambda: in_array(Calls(os.system, "true"), protocol=4),
    "protocol 5": lambda: in_array(Calls(os.system, "true"), protocol=5),
    "an unlisted numpy name": lambda: in_array(Calls(np.load, "x.npy")),
    "numpy.core.multiarray.fromfile": lambda: around(b"cnumpy.core.multiarray\nfromfile\nX\x01\x00\x00\x00x\x85R"),
    "an instance of a class": lambda: in_array(Restored()),
    "INST": lambda: around(b"(X\x04\x00\x00\x00trueios\nsystem\n"),
    "OBJ": lambda: around(b"(cos\nsystem\nX\x04\x00\x00\x00trueo"),
    "NEWOBJ": lambda: around(b"cnumpy\nndarray\n)\x81"),
    "a persistent id": lambda: around(b"Pxyz\n"),
    "an extension code": lambda: around(b"\x82\x01"),
    "state for one of numpy's names": lambda: around(b"cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb"),
    "attributes for one of numpy's names": lambda: around(b"cnumpy\ndtype\nN}X\x08\x00\x00\x00__call__K\x01s\x86b"),
    "one of numpy's names as a value": lambda: around(b"cnumpy\nndarray\n"),
    "a set": lambda: in_array({"a", "b"}, protocol=4),
    "bytes": lambda: in_array(b"raw"),
    "a complex scalar": lambda: in_array(np.complex128(1)),
    "a record array": lambda: in_array(np.zeros(2, dtype=[("a", "i4")])),
    "deep nesting": lambda: in_array(deep(40)),
    "very deep nesting": lambda: around(b"]" * 50_000 + b"a" * 49_999),
    "a list that holds itself": lambda: in_array(circle()),
    "a billion laughs": lambda: in_array(laughs()),
    "a memo number beyond memory": lambda: around(b"Nr\xff\xff\xff\x7f"),
    "a text longer than the file": lambda: around(b"X" + struct.pack("<I", 2**31)),
    "bytes longer than memory": lambda: around(b"\x8e" + struct.pack("<Q", 2**62)),
    "an unfinished pickle": lambda: in_array({"a": 1})[:-4],
    "an empty pickle": lambda: HEADER,
    "no array in the pickle": lambda: HEADER + pickle.dumps({"a": 1}),
    "a shape larger than the data": lambda: with_shape("(10**6,)".replace("10**6", "1000000")),
    "a shape larger than memory": lambda: with_shape("(1000000000000, 1000000)"),
    "a negative shape": lambda: with_shape("(-1,)"),
    "values of no size": lambda: with_shape("(1000000000000,)", descr="<U0", data=b""),
    "objects within records": lambda: with_shape("(1,)", descr="|V8").replace(b"'|V8'", b"[('a','|O')]"),
    "a header that is code": lambda: b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('true')\n",
    "a header of brackets": lambda: b"\x93NUMPY\x01\x00\x20\x03" + b"(" * 800,
    "no npy at all": lambda: b"hello",
}


def write(path: Path, member: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", member)
    return path


@pytest.fixture(scope="module")
def audited() -> list[tuple[str, Any]]:
    """What the interpreter was asked to do while `watch` was on. A hook cannot be taken out again: it sleeps."""
    seen: list[tuple[str, Any]] = []
    watch = [False]

    def hook(event: str, arguments: Any) -> None:
        if watch[0] and event.split(".")[0] in {"exec", "open", "socket", "os", "subprocess", "import", "ctypes"}:
            seen.append((event, arguments))

    sys.addaudithook(hook)
    seen.append(("watch", watch))
    return seen


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_and_nothing_runs(
    name: str, tmp_path: Path, audited: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "hostile.npz", HOSTILE[name]())
    watch = audited[0][1]
    del audited[1:]
    watch[0] = True
    try:
        with pytest.raises((UnsafePickle, UnreadableTable)) as caught:
            read_npz(path)
    finally:
        watch[0] = False
    assert str(path) in str(caught.value)
    assert int(caught.value.exit_code) == 3
    # Opening the file itself is all that may happen.
    assert [event for event, arguments in audited[1:] if str(path) not in map(str, arguments)] == []
    assert not (tmp_path / TARGET).exists()


def test_the_refusal_names_what_was_asked_for_and_where(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", in_array(Calls(os.system, "true")))
    with pytest.raises(UnsafePickle, match=r"posix\.system|nt\.system") as caught:
        read_npz(path)
    assert caught.value.member == "data.npy"


def test_zip_bombs_and_crowds_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * 10_000_000)
    with pytest.raises(UnreadableTable, match="packed more than 200 to 1"):
        read_npz(bomb)
    crowd = tmp_path / "crowd.npz"
    np.savez(crowd, **{f"a{i}": np.zeros(1) for i in range(65)})
    with pytest.raises(UnreadableTable, match="65 members"):
        read_npz(crowd)
    other = tmp_path / "other.npz"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("run.py", "print()")
    with pytest.raises(UnreadableTable, match=r"not \.npy"):
        read_npz(other)
    (tmp_path / "no.npz").write_bytes(b"no zip")
    for path in (tmp_path / "no.npz", tmp_path / "absent.npz"):
        with pytest.raises(UnreadableTable):
            read_npz(path)


def test_a_member_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(50))
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(data)
    with pytest.raises(UnreadableTable):
        read_npz(path)


LABELS = {
    "clip_1": {"emo": "happy", "val": 1.5, "ok": True, "none": None, "n": 3},
    "clip_2": {"emo": "sad", "labels": ["a", "中"]},
}


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_label_dicts_of_the_field_are_read(tmp_path: Path, protocol: int) -> None:
    assert read_npz(write(tmp_path / "a.npz", in_array(LABELS, protocol)))["data"] == LABELS


def test_numpy_scalars_and_nested_arrays_become_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    names = np.array(["one", "two", None], dtype=object)
    scalars = {"f": np.float64(0.5), "i": np.int32(-3), "t": np.str_("hé"), "b": np.bool_(True), "h": np.float32(0.25)}
    np.savez(path, names=names, table=np.array([[1, "x"], [2, "y"]], dtype=object), corpus=scalars)
    read = read_npz(path)
    assert read["names"] == ["one", "two", None]
    assert read["table"] == [[1, "x"], [2, "y"]]
    assert read["corpus"] == {"f": 0.5, "i": -3, "t": "hé", "b": True, "h": 0.25}
    assert all(type(value) in (float, int, str, bool) for value in read["corpus"].values())


def test_plain_arrays_come_as_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays = {"f": np.arange(6.0).reshape(2, 3), "u": np.array(["a", "bcd"]), "e": np.zeros((0, 4), np.int16)}
    np.savez_compressed(path, **arrays)
    for name, value in read_npz(path).items():
        np.testing.assert_array_equal(value, arrays[name])
        assert value.dtype == arrays[name].dtype


def test_a_single_npy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", "[['happy', 'glad']]")
    assert read_npy(tmp_path / "t.npy") == "[['happy', 'glad']]"
    (tmp_path / "bad.npy").write_bytes(in_array(Calls(os.getcwd)))
    with pytest.raises(UnsafePickle):
        read_npy(tmp_path / "bad.npy")
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    (tmp_path / "n.npy").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(read_npy(tmp_path / "n.npy"), np.arange(3))
