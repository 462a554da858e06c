"""Tagged clauses -> what the face does: each movement given to the region that makes it, the rest named and left out.

Which region makes a movement is settled in `movers.py`. What is denied is left out; so is what the mouth does
while its owner talks. All rules here are ours [ours].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from emotrace.grace.language.lexicon import AffectLexicon, Unit, affect_lexicon
from emotrace.grace.language.movers import OTHER_THINGS, regions_of
from emotrace.grace.language.sentences import Clause, Tag, TaggedSentence, tagged_sentences

SPEECH_UNITS = frozenset(("AU18", "AU22", "AU25", "AU26"))
"""What lips and jaw do for most sounds of speech: in a sentence that says the person talks, it is no expression."""
_LISTS = frozenset(",，、")
GOES_ON = _LISTS | frozenset(":：")
"""Marks behind which a region gets its movement yet: "brows, lids and lips stay still", "Mouth: corners down"."""
NOT_THE_FACE = "not about the face"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceAction:
    """One region doing one thing, as a text tells it."""

    unit: Unit
    side: str | None = None
    """`left`, `right` or `one side`."""
    intensity: str | None = None
    phase: str | None = None

    def said(self, *, side: str | None = None, intensity: str | None = None, phase: str | None = None) -> FaceAction:
        """This action with what else is said of it, where it says nothing itself."""
        return replace(self, side=self.side or side, intensity=self.intensity or intensity, phase=self.phase or phase)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was found in a text, and what was left out and why."""

    actions: tuple[FaceAction, ...]
    dropped: tuple[tuple[str, str], ...]
    """(clause, reason)."""


@dataclass(slots=True)
class _Draft:
    """An action with the places in its clause that named it, so that side and intensity find the nearest."""

    action: FaceAction
    places: tuple[int, ...]
    is_denied: bool

    def distance(self, place: int) -> int:
        return min(abs(place - own) for own in self.places)


@lru_cache(maxsize=8192)
def read_actions(text: str) -> Reading:
    """The actions that a text tells of, in its order, each once; and the clauses without one.

    >>> [(a.unit.action_unit, a.intensity) for a in read_actions("She raises her eyebrows slightly; AU12D.").actions]
    [(None, 'slightly'), ('AU12', 'strongly')]
    >>> read_actions("The lips do not part. The camera zooms in.").dropped
    (('The lips do not part', 'denied'), ('The camera zooms in', 'camera'))
    """
    actions: list[FaceAction] = []
    dropped: list[tuple[str, str]] = []
    for sentence in tagged_sentences(text):
        found, left_out = _read_sentence(sentence)
        dropped += left_out
        for action in found:
            same = [i for i, other in enumerate(actions) if _is_same(action, other)]
            if same:
                actions[same[0]] = actions[same[0]].said(
                    side=action.side, intensity=action.intensity, phase=action.phase
                )
            else:
                actions.append(action)
    return Reading(actions=tuple(actions), dropped=tuple(dropped))


def _is_same(one: FaceAction, other: FaceAction) -> bool:
    return one.unit == other.unit and (one.side == other.side or None in (one.side, other.side))


def _read_sentence(sentence: TaggedSentence) -> tuple[list[FaceAction], list[tuple[str, str]]]:
    lexicon = affect_lexicon()
    actions: list[FaceAction] = []
    dropped: list[tuple[str, str]] = []
    talks = any(_talks(clause) for clause in sentence.clauses)
    carried, listed = list[str](), list[str]()
    for clause in sentence.clauses:
        drafts = _drafts(clause, carried, listed, lexicon)
        regions = [tag.meaning for tag in clause.of_kind("region")]
        carried = regions or carried
        listed = [*listed, *regions] if clause.closed_by in _LISTS and not clause.of_kind("action", "sign") else []
        kept = [d.action for d in drafts if not d.is_denied and d.action.unit.gamma > 0.0]
        spoken = [a for a in kept if talks and a.unit.action_unit in SPEECH_UNITS]
        kept = [a for a in kept if a not in spoken]
        if kept:
            actions += kept
        elif actions and _is_manner_alone(clause):
            actions = [_with_manner(action, clause) for action in actions]
        elif not (regions and clause.closed_by in GOES_ON):
            dropped.append((clause.text, "speech" if spoken else _reason(clause, drafts)))
    return actions, [(text, reason) for text, reason in dropped if not (actions and reason == NOT_THE_FACE)]


def _talks(clause: Clause) -> bool:
    return bool(clause.of_kind("speech")) and not clause.of_kind("not")


def _is_manner_alone(clause: Clause) -> bool:
    """Whether the clause says only how strongly and when, which goes to what was said before: "early on, strongly"."""
    manner = clause.of_kind("intensity", "phase")
    rest = clause.of_kind("function", "and", "word", "person")
    return bool(manner) and len(manner) + len(rest) == len(clause.tags)


def _with_manner(action: FaceAction, clause: Clause) -> FaceAction:
    for tag in clause.of_kind("intensity", "phase"):
        action = _told(action, tag)
    return action


def _told(action: FaceAction, tag: Tag) -> FaceAction:
    if tag.kind == "side":
        return action.said(side=tag.meaning)
    return action.said(intensity=tag.meaning) if tag.kind == "intensity" else action.said(phase=tag.meaning)


def _reason(clause: Clause, drafts: Sequence[_Draft]) -> str:
    """Why a clause holds no expression, in a word or two."""
    if any(draft.is_denied for draft in drafts):
        return "denied"
    if background := [d.action.unit for d in drafts if d.action.unit.gamma == 0.0]:
        return f"{background[0].region} movement" if background[0].region != "eyes" else "blink"
    if clause.of_kind("still"):
        return "no movement"
    if clause.of_kind("speech"):
        return "speech"
    regions = [tag.meaning for tag in clause.of_kind("region")]
    for name in ("head", "gaze"):
        if name in regions:
            return f"{name} movement"
    kinds = {tag.kind for tag in clause.tags}
    if other := [kind for kind in OTHER_THINGS if kind in kinds]:
        return other[0]
    if regions or "vague" in kinds:
        return "no definite movement"
    if kinds & {"action", "code", "mover"}:
        return "no region of the face"
    return NOT_THE_FACE


def _drafts(clause: Clause, carried: Sequence[str], listed: Sequence[str], lexicon: AffectLexicon) -> list[_Draft]:
    """The actions of a clause.

    Args:
        clause: With its tags.
        carried: Regions of the clause before, for one that names none itself.
        listed: Regions of a list that this clause ends: the brows in "brows, lids and cheeks rise".
        lexicon: The words.
    """
    tags = clause.tags
    denials = [place for place, tag in enumerate(tags) if tag.kind == "not"]
    is_denied = [any(denial < place for denial in denials) for place in range(len(tags))]
    drafts: list[_Draft] = []
    made: dict[tuple[str, bool], dict[str, tuple[int, ...]]] = {}
    for place, tag in enumerate(tags):
        drafts += [
            _Draft(action=FaceAction(unit=unit), places=(place,), is_denied=is_denied[place])
            for unit in _named_units(tag, lexicon)
        ]
        if _is_movement(tags, place):
            found = regions_of(tags, place, carried, lexicon)
            if found and _ends_list(tags, place):
                found += [(region, None) for region in listed if lexicon.knows(region, tag.meaning)]
            for region, region_place in found:
                places = tuple(own for own in (place, region_place) if own is not None)
                made.setdefault((region, is_denied[place]), {}).setdefault(tag.meaning, places)
    for (region, denied), actions in made.items():
        for unit, needed in lexicon.units_of(region, actions):
            places = tuple(sorted({place for action in needed for place in actions[action]}))
            drafts.append(_Draft(action=FaceAction(unit=unit), places=places, is_denied=denied))
    _give_manner(drafts, tags)
    return sorted(drafts, key=lambda draft: draft.places)


def _ends_list(tags: Sequence[Tag], place: int) -> bool:
    """Whether the movement stands behind regions joined by "and", the last of a list."""
    kinds = {tag.kind for tag in tags[:place]}
    return "and" in kinds and "region" in kinds and not kinds & {"action", "person"}


def _named_units(tag: Tag, lexicon: AffectLexicon) -> Iterator[Unit]:
    """The units that a tag names by itself: a frown, AU4."""
    if tag.kind == "sign":
        yield from (lexicon.units[name] for name in tag.meaning.split("; "))
    elif tag.kind == "code" and (unit := lexicon.of_code(tag.meaning)) is not None:
        yield unit


def _is_movement(tags: Sequence[Tag], place: int) -> bool:
    """Whether the tag is an action. "In", "out" and "back" are one only behind a verb of moving: "rolled in"."""
    kind = tags[place].kind
    return kind == "action" or (kind == "particle" and any(tag.kind == "mover" for tag in tags[:place]))


def _give_manner(drafts: Sequence[_Draft], tags: Sequence[Tag]) -> None:
    """Sides and intensities go to the action that was named nearest, phases to all of the clause."""
    for place, tag in enumerate(tags):
        if tag.kind == "phase":
            receivers = list(drafts)
        elif tag.kind in ("intensity", "side") and tag.meaning != "both sides":
            least = min((draft.distance(place) for draft in drafts), default=0)
            receivers = [draft for draft in drafts if draft.distance(place) == least]
        else:
            continue
        for draft in receivers:
            draft.action = _told(draft.action, tag)
