"""`--set NAME=VALUE`: the arguments of a corpus's adapter, checked against its constructor."""

from __future__ import annotations

from collections.abc import Sequence

from emotrace.errors import UsageError


def adapter_arguments(corpus: str, choices: Sequence[str]) -> dict[str, str | bool]:
    """The adapter's arguments.

    Raises:
        UnknownChoice: No corpus is called so.
        UsageError: The adapter takes no such argument, or not this value.
    """
    import inspect
    from typing import Literal, get_args, get_origin, get_type_hints

    from emotrace.datasets.corpora import corpus_class

    adapter = corpus_class(corpus)
    hints = get_type_hints(adapter.__init__)
    known = [name for name in inspect.signature(adapter).parameters if name != "root"]
    arguments: dict[str, str | bool] = {}
    for choice in choices:
        name, _, value = choice.partition("=")
        if name not in known:
            raise UsageError(f"{corpus} takes no argument {name!r}", hint=f"It takes: {', '.join(known) or 'none'}")
        allowed = [str(each) for each in get_args(hints[name])] if get_origin(hints[name]) is Literal else []
        allowed = ["true", "false"] if hints[name] is bool else allowed
        if allowed and value not in allowed:
            raise UsageError(
                f"{name} cannot be {value!r}", where=f"--set {choice}", hint=f"Choose {', '.join(allowed)}"
            )
        arguments[name] = value == "true" if hints[name] is bool else value
    return arguments
