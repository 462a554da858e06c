"""What a run learns from, chooses by and is tested on: three lists that share no clip, and the hash that names them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emotrace.errors import UnknownLabel, UsageError, first_five
from emotrace.training.learner import Item
from emotrace.training.seeds import generator_of


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """Three lists of clips, each ordered as given.

    Raises:
        UsageError: No clip to train on, a key twice in a list, or in two lists.
    """

    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    test: tuple[Item, ...]

    def __post_init__(self) -> None:
        if not self.train:
            raise UsageError("there is no clip to train on", where="train")
        seen: dict[str, str] = {}
        for name, items in self.lists().items():
            if twice := [key for key, count in Counter(item.key for item in items).items() if count > 1]:
                raise UsageError(f"names a clip twice: {first_five(twice)}", where=name)
            if shared := [item.key for item in items if item.key in seen]:
                raise UsageError(f"shares clips with {seen[shared[0]]}: {first_five(shared)}", where=name)
            seen |= {item.key: name for item in items}

    def lists(self) -> dict[str, tuple[Item, ...]]:
        """The three lists by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def demand_labels(self, labels: Sequence[str]) -> None:
        """Makes sure that the learner knows every label.

        Raises:
            UnknownLabel: It does not.
        """
        for name, items in self.lists().items():
            if unknown := sorted({item.label for item in items} - set(labels)):
                raise UnknownLabel(
                    f"has labels that the learner does not know: {first_five(unknown)}",
                    where=name,
                    hint=f"It knows {', '.join(labels)}",
                )

    @property
    def sha256(self) -> str:
        """SHA-256 of which clip, label and group stands in which list; the order within a list does not matter."""
        lines = sorted(
            f"{name}\t{item.key}\t{item.label}\t{item.group or ''}\n"
            for name, items in self.lists().items()
            for item in items
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def __str__(self) -> str:
        counts = ", ".join(f"{len(items)} {name}" for name, items in self.lists().items())
        return f"{self.sha256} ({counts})"


def hold_out(items: Sequence[Item], *, share: float, seed: int, fold: str) -> tuple[list[Item], list[Item]]:
    """Holds out about `share` of each label for validation, never a part of a group.

    Groups are visited in a seeded order that does not depend on the list's; one is held out if most of its clips are
    still wanted. A clip without a group is a group of its own.

    Returns:
        What is left to train on and what is held out, each in the order of the list.

    Raises:
        UsageError: So few or so large groups that one of the two would be empty.
    """
    groups: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        groups.setdefault(("clip", item.key) if item.group is None else ("group", item.group), []).append(item)
    names = sorted(groups)
    wanted = {label: round(share * count) for label, count in _counts(items).items()}
    held: set[tuple[str, str]] = set()
    for index in generator_of(seed, fold, 0, "validation").permutation(len(names)):
        counts = _counts(groups[names[index]])
        if 2 * sum(min(count, max(wanted[label], 0)) for label, count in counts.items()) > counts.total():
            held.add(names[index])
            wanted = {label: count - counts[label] for label, count in wanted.items()}
    held_keys = {item.key for name in held for item in groups[name]}
    if not held_keys or len(held) == len(groups):
        raise UsageError(
            f"of {len(items)} clips in {len(groups)} groups cannot be held out as whole groups, got {share}",
            where="validation_share",
            hint="Choose another share, or name the validation clips yourself",
        )
    return [item for item in items if item.key not in held_keys], [item for item in items if item.key in held_keys]


def _counts(items: Iterable[Item]) -> Counter[str]:
    return Counter(item.label for item in items)
