"""How the field splits a string of labels [field]: `"['happy', 'calm']"`, `"happy, calm"` and `happy` are all lists."""

from __future__ import annotations


def split_labels(text: str) -> list[str]:
    """Pieces of a label string, stripped and without blanks; case is kept.

    One leading `[` and then one trailing `]` are dropped, each if present. The string is split on ASCII single quotes,
    double quotes and commas, and on nothing else: an apostrophe inside a word splits it, a semicolon does not.
    """
    if text.startswith("["):
        text = text[1:]
    if text.endswith("]"):
        text = text[:-1]
    pieces = text.replace("'", ",").replace('"', ",").split(",")
    return [stripped for piece in pieces if (stripped := piece.strip())]
