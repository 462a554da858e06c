from __future__ import annotations

import ast
from pathlib import Path

import pytest

import emotrace


def test_the_table_of_contents_is_what_can_be_imported() -> None:
    for name in emotrace.__all__:
        assert getattr(emotrace, name) is not None
    assert set(dir(emotrace)) == set(emotrace.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(emotrace.__file__).read_text())
    guarded = next(n for n in tree.body if isinstance(n, ast.If))
    names = {
        alias.asname or alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert names | {"__version__"} == set(emotrace.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        emotrace.analyse  # noqa: B018
