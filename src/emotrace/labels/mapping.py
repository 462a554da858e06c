"""From one label scheme to another, by name, saying what is lost.

Two schemes meet in canonical words: DFEW's `happy` and MAFW's `happiness` are both `joy`. Where the target lacks the
word, the label may go to a broader one (`worry` to `fear`): that loses something and is said. Who defines a grouping
of their own labels is followed (GoEmotions' seven groups, IEMOCAP's four classes). Nothing goes by index.

    >>> label_map = map_labels("dfew", "mafw")
    >>> label_map.apply("happy"), label_map.lossy
    ('happiness', False)
    >>> print(map_labels("mafw", "dfew").losses)
    dropped: helplessness; merged: contempt into disgust, anxiety into fear, disappointment into sad

Pure Python.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from emotrace.errors import LossyLabelMap, UnknownLabel
from emotrace.labels.affects import AFFECT_BY_NAME
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.schemes import scheme

Kind = Literal["same", "merged", "dropped"]

NARROWER_THAN: dict[str, str] = {
    "amusement": "joy",
    "excitement": "joy",
    "gratitude": "joy",
    "optimism": "joy",
    "pride": "joy",
    "worry": "fear",
    "irritation": "anger",
    "frustration": "irritation",
    "disapproval": "irritation",
    "contempt": "disgust",
    "disappointment": "sadness",
    "grief": "sadness",
    "remorse": "shame",
}
"""Canonical word -> the next broader one [ours]. A word whose broader one is open to dispute, as boredom, has none."""

_EKMAN = {
    "anger": "anger annoyance disapproval",
    "disgust": "disgust",
    "fear": "fear nervousness",
    "joy": "joy amusement approval excitement gratitude love optimism relief pride admiration desire caring",
    "sadness": "sadness disappointment embarrassment grief remorse",
    "surprise": "surprise realization confusion curiosity",
    "neutral": "neutral",
}
OWNERS_GROUPINGS: dict[tuple[str, str], dict[str, str]] = {
    ("goemotions", "goemotions-ekman"): {word: group for group, words in _EKMAN.items() for word in words.split()},
    ("iemocap", "iemocap-4"): {
        "happy": "happy",
        "excited": "happy",
        "sad": "sad",
        "neutral": "neutral",
        "angry": "angry",
    },
    ("iemocap", "iemocap-6"): {word: word for word in ("happy", "sad", "neutral", "angry", "excited", "frustrated")},
    ("wheel-affects", "wheel-sectors"): {name: affect.sector for name, affect in AFFECT_BY_NAME.items()},
    ("affectnet-8", "affectnet-7"): {word: word for word in scheme("affectnet-7").labels},
}
"""Groupings that a scheme's owner, or the whole field, defines; they win over canonical words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What becomes of one label."""

    label: str
    becomes: str | None
    kind: Kind
    """`same`: means what it meant. `merged`: is no longer told from other labels, or means more. `dropped`: gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelMap:
    """An explicit table from the labels of one scheme to those of another."""

    source: LabelScheme
    target: LabelScheme
    steps: tuple[Step, ...]
    """One for each label of the source, in its order."""

    @property
    def lossy(self) -> bool:
        """Whether two labels become one, one becomes nothing, or a value becomes a class."""
        return self._of_values or any(step.kind != "same" for step in self.steps)

    @property
    def unreached(self) -> tuple[str, ...]:
        """Labels of the target that nothing becomes: after the map no clip can carry them."""
        reached = {step.becomes for step in self.steps}
        return tuple(label for label in self.target.labels if label not in reached)

    @property
    def losses(self) -> str:
        """What is lost, in one line; empty when nothing is."""
        if self._of_values:
            classes = len(self.target.labels) if self.target.bins else 0
            return f"values: a number becomes one of {classes} classes, see `of_value` of {self.target.name}"
        dropped = ", ".join(step.label for step in self.steps if step.kind == "dropped")
        merged = ", ".join(f"{step.label} into {step.becomes}" for step in self.steps if step.kind == "merged")
        parts = (f"{name}: {words}" for name, words in (("dropped", dropped), ("merged", merged)) if words)
        return "; ".join(parts)

    def apply(self, label: str, *, allow_loss: bool = False) -> str | None:
        """What `label` becomes; None where it is dropped.

        Raises:
            LossyLabelMap: The map loses something and `allow_loss` was not given; the message says what.
            UnknownLabel: Not a label of the source.
        """
        self._check_allowed(allow_loss)
        for step in self.steps:
            if step.label == label:
                return step.becomes
        if self.source.open:  # an open vocabulary has no table: a word goes where its canonical word goes
            return _find(label, self.target).becomes
        raise self.source.unknown([label])

    def apply_all(self, labels: Iterable[str], *, allow_loss: bool = False) -> tuple[str, ...]:
        """What a set of labels becomes: each once, in order, without the dropped ones.

        Raises:
            LossyLabelMap: As `apply`.
            UnknownLabel: As `apply`.
        """
        becomes = (self.apply(label, allow_loss=allow_loss) for label in labels)
        return tuple(dict.fromkeys(label for label in becomes if label is not None))

    def then(self, other: LabelMap) -> LabelMap:
        """This map and then another; a loss of either is a loss of both.

        Raises:
            UnknownLabel: The other map does not start where this one ends.
        """
        if self.target.name != other.source.name:
            raise UnknownLabel(f"a map to {self.target.name} cannot go on from {other.source.name}")
        onward = {step.label: step for step in other.steps}
        return LabelMap(
            source=self.source, target=other.target, steps=tuple(_follow(step, onward) for step in self.steps)
        )

    @property
    def _of_values(self) -> bool:
        return not self.source.labels and not self.source.open and self.source.name != self.target.name

    def _check_allowed(self, allow_loss: bool) -> None:
        if (self.lossy or self.source.open) and not allow_loss:
            lost = self.losses or "words outside the target scheme are dropped"
            raise LossyLabelMap(
                f"the map from {self.source.name} to {self.target.name} loses something: {lost}",
                hint="Pass allow_loss=True if that is what you want",
            )


def map_labels(source: str | LabelScheme, target: str | LabelScheme) -> LabelMap:
    """The table from one scheme to another. Looking at it is free; using a lossy one must be allowed.

    Raises:
        UnknownChoice: No scheme of that name.
    """
    start = scheme(source) if isinstance(source, str) else source
    end = scheme(target) if isinstance(target, str) else target
    grouping = OWNERS_GROUPINGS.get((start.name, end.name))
    if start.name == end.name:
        steps = [Step(label=label, becomes=label, kind="same") for label in start.labels]
    elif grouping is not None:
        steps = [_grouped(label, grouping.get(label)) for label in start.labels]
    else:
        words = start.concept_of
        steps = [_renamed(label, _find(words[label], end)) for label in start.labels]
    return LabelMap(source=start, target=end, steps=_mark_merged(steps))


def _find(word: str, target: LabelScheme) -> Step:
    """The target's label for a canonical word: the same, else the nearest broader one, else none."""
    if target.open:
        return Step(label=word, becomes=word, kind="same")
    labels = {concept: label for label, concept in target.concept_of.items()}
    kind: Kind = "same"
    here: str | None = word
    while here is not None:
        if here in labels:
            return Step(label=word, becomes=labels[here], kind=kind)
        here, kind = NARROWER_THAN.get(here), "merged"
    return Step(label=word, becomes=None, kind="dropped")


def _renamed(label: str, step: Step) -> Step:
    return Step(label=label, becomes=step.becomes, kind=step.kind)


def _grouped(label: str, group: str | None) -> Step:
    return Step(label=label, becomes=group, kind="dropped" if group is None else "same")


def _mark_merged(steps: list[Step]) -> tuple[Step, ...]:
    """Two labels that become one are both merged, except the one that keeps its name."""
    sources: dict[str | None, list[str]] = defaultdict(list)
    for step in steps:
        sources[step.becomes].append(step.label)
    return tuple(
        Step(label=step.label, becomes=step.becomes, kind="merged")
        if step.kind == "same" and len(sources[step.becomes]) > 1 and not _keeps_its_name(step, steps)
        else step
        for step in steps
    )


def _keeps_its_name(step: Step, steps: list[Step]) -> bool:
    others = [other for other in steps if other.becomes == step.becomes and other is not step]
    return step.label == step.becomes or (bool(others) and all(other.kind == "merged" for other in others))


def _follow(step: Step, onward: dict[str, Step]) -> Step:
    after = None if step.becomes is None else onward[step.becomes]
    if after is None or after.kind == "dropped":
        return Step(label=step.label, becomes=None, kind="dropped")
    kind: Kind = "same" if step.kind == after.kind == "same" else "merged"
    return Step(label=step.label, becomes=after.becomes, kind=kind)
