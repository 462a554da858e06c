from __future__ import annotations

import inspect
import re

import emotrace.errors as errors
from emotrace.errors import EmotraceError, ExitCode, MediaTooLong, MissingExtra, PurposeRefused

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, EmotraceError)]


def test_a_message_says_what_where_and_what_to_do() -> None:
    error = MediaTooLong("lasts 300 s, the limit is 60 s", where="talk.mp4", hint="Raise --max-duration")
    assert str(error) == "talk.mp4: lasts 300 s, the limit is 60 s. Raise --max-duration"
    assert (error.what, error.where, error.hint) == (
        "lasts 300 s, the limit is 60 s",
        "talk.mp4",
        "Raise --max-duration",
    )


def test_every_error_is_also_one_that_the_standard_library_knows() -> None:
    for error in CLASSES:
        if error is not EmotraceError:
            assert any(base.__module__ == "builtins" for base in error.__mro__[1:-3]), error


def test_the_tree_in_the_docstring_names_every_error() -> None:
    drawn = set(re.findall(r"[x*-] ([A-Z]\w+)", errors.__doc__ or ""))
    assert drawn == {c.__name__ for c in CLASSES}


def test_exit_codes_are_the_documented_ones() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4]
    assert MissingExtra("x", extra="asr").exit_code == 4
    assert "emotrace[asr]" in str(MissingExtra("Speech recognition", extra="asr"))
    assert PurposeRefused("no").exit_code == 2
    assert MediaTooLong("x").exit_code == 3
