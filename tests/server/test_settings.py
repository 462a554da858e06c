from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.errors import PurposeRefused, UsageError
from emotrace.server.settings import Limits, Settings, read_keys

KEY = "0123456789abcdef"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_other_machines_get_in_with_a_key_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="--keys FILE"):
        Settings(data=tmp_path, host=host)
    assert Settings(data=tmp_path, host=host, keys=(KEY,)).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_this_machine_needs_none(tmp_path: Path, host: str) -> None:
    assert Settings(data=tmp_path, host=host).keys == ()


@pytest.mark.parametrize("key", ["short", "0123456789abcde\n", "spaces are no good here", "ümläute-sind-es-auch-nicht"])
def test_a_weak_or_broken_key_is_refused_and_not_printed(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError) as raised:
        Settings(data=tmp_path, keys=(key,))
    assert key not in str(raised.value)


def test_keys_are_in_no_printed_form(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, keys=(KEY,), database="postgresql://user:secret@host/db")
    assert KEY not in repr(settings)
    assert "secret" not in repr(settings)


def test_a_file_of_keys_may_hold_remarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTRACE_API_KEYS", f"{KEY}z, {KEY}")
    path = tmp_path / "keys.txt"
    path.write_text(f"# the lab\n{KEY}\n\n  {KEY}y  \n")
    assert read_keys(path) == (f"{KEY}z", KEY, f"{KEY}y")
    path.write_text("# nothing\n")
    with pytest.raises(UsageError, match="no key"):
        read_keys(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(tmp_path / "absent")


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"name": "../x"}, {"name": ""}])
def test_values_that_cannot_be_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Settings(data=tmp_path, **wrong)
    with pytest.raises(UsageError, match="keep_hours"):
        Limits(keep_hours=0)
    with pytest.raises(UsageError, match="duration_seconds"):
        Limits(duration_seconds=float("nan"))
    with pytest.raises(PurposeRefused):
        Settings(data=tmp_path, purpose="workplace")
