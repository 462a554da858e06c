"""A pytest plugin that makes checked types cheap: shapes are followed where there are arrays, and nowhere else.

jaxtyping's import hook (`--jaxtyping-packages`) binds the whole signature at every call of every function, so that axes
of one name can be compared. That took most of the time of the tests. With this plugin a function without arrays in its
signature is checked by the type checker alone, whose checks are compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import _decorator

_follow_shapes = _decorator.jaxtyped
_check = beartype(conf=BeartypeConf(violation_type=TypeError))  # as jaxtyping's own error is one


def check_types(function: Any = None, *, typechecker: Callable[[Any], Any] | None) -> Any:
    """`jaxtyping.jaxtyped`, for functions without arrays beartype alone."""
    if function is None:
        return partial(check_types, typechecker=typechecker)
    if typechecker is None or not inspect.isfunction(function):
        return _follow_shapes(function, typechecker=typechecker)
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError, ValueError):  # a hint for static checkers alone, which jaxtyping leaves out
        return _follow_shapes(function, typechecker=typechecker)
    if any(map(_has_arrays, hints.values())):
        return _follow_shapes(function, typechecker=typechecker)
    function.__annotations__ = hints
    return _check(function)


def _has_arrays(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    parts = hint if isinstance(hint, list) else get_args(hint)
    return any(map(_has_arrays, parts))


jaxtyping.jaxtyped = check_types  # type: ignore[assignment]
_decorator.jaxtyped = check_types  # type: ignore[assignment]
