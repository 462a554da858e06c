"""Which region of the face makes a movement that a clause tells of [ours].

A movement belongs to the region right behind it ("raises the brows"), else to the nearest one before it ("the brows
rise"), else to the next one in the clause ("creases form along the nose"). A hand, hair or camera that stands nearer
takes the movement instead, and so keeps it off the face.
"""

from __future__ import annotations

from collections.abc import Sequence

from emotrace.evidence.clauses import words_of
from emotrace.grace.language.lexicon import AffectLexicon
from emotrace.grace.language.sentences import Tag

OTHER_THINGS = ("body", "clothing", "identity", "camera", "light", "scene")
"""Kinds of things that can move in a picture and are no part of the expression, most telling first."""

PREPOSITIONS = words_of(
    "to at in into on onto over above below under beneath around across along near from by for toward towards against "
    "behind beside between through with about round"
)
"""Words that set a region apart from the movement before it: a glass is raised to the lips, the lips are not."""
APPEARING = frozenset(("wrinkle", "furrow", "tighten", "tremble", "redden", "deepen"))
"""What is said to appear *on* a region: "creases form along the nose", "tension around the eyes"."""

_PASSED = frozenset(("function", "intensity", "side", "phase", "mover", "action", "particle"))


def regions_of(
    tags: Sequence[Tag], place: int, carried: Sequence[str], lexicon: AffectLexicon
) -> list[tuple[str, int | None]]:
    """The regions that make the movement at `place`, with their places; None for one carried from the clause before."""
    action = tags[place].meaning
    behind, is_taken = _group_behind(tags, place)
    before, is_blocked = _group_before(tags, place, lexicon)
    if behind and before and _moves_itself(tags, behind[-1]):
        behind, before = before, behind  # "eyes widened brows raised": the region behind has a movement of its own
    fits = [[p for p in group if lexicon.knows(tags[p].meaning, action)] for group in (behind, before)]
    for group in fits:
        if group:
            return [(tags[p].meaning, p) for p in group]
    if is_taken or is_blocked:
        return []
    if not any(tag.kind == "region" for tag in tags):
        has_own_subject = any(tag.kind == "person" for tag in tags[:place])
        return [] if has_own_subject else [(region, None) for region in carried if lexicon.knows(region, action)]
    return [(tags[p].meaning, p) for p in _next_group(tags, place) if lexicon.knows(tags[p].meaning, action)]


def _group_behind(tags: Sequence[Tag], place: int) -> tuple[list[int], bool]:
    """The regions right behind a movement, and whether another thing stands there: "raises a hand"."""
    here = place + 1
    while here < len(tags) and tags[here].kind in _PASSED:
        here += 1
    if here == len(tags) or tags[here].kind != "region":
        return [], here < len(tags) and tags[here].kind in OTHER_THINGS and tags[here - 1].kind != "word"
    return _extended(tags, here), False


def _extended(tags: Sequence[Tag], first: int) -> list[int]:
    """A region and those joined to it, without one that has a movement of its own: "the brows and lips part"."""
    group, here = [first], first + 1
    while here < len(tags) and tags[here].kind in ("and", "function", "side"):
        here += 1
        if here < len(tags) and tags[here].kind == "region" and tags[here - 1].kind in ("and", "function", "side"):
            if _moves_itself(tags, here):
                break
            group.append(here)
            here += 1
    return group


def _moves_itself(tags: Sequence[Tag], region: int) -> bool:
    return any(tag.kind in ("action", "mover", "sign") for tag in tags[region + 1 : region + 3])


def _group_before(tags: Sequence[Tag], place: int, lexicon: AffectLexicon) -> tuple[list[int], bool]:
    """The nearest regions before a movement, and whether another thing stands nearer.

    A region that only says where another one is ("the brows above the eyes rise") is passed over; a person who comes
    nearer is the one who moves ("with furrowed brows she raises her glass").
    """
    here = place - 1
    while here >= 0:
        tag = tags[here]
        if tag.kind in OTHER_THINGS:
            return [], True
        if tag.kind == "person" and not (here > 0 and tags[here - 1].meaning in ("of", "the")):
            return [], False
        if tag.kind == "region" and not (
            _says_where(tags, here) and not lexicon.knows(tag.meaning, tags[place].meaning)
        ):
            break
        here -= 1
    if here < 0:
        return [], False
    group = [here]
    while here > 0 and tags[here - 1].kind in ("and", "function", "side", "region"):
        here -= 1
        if tags[here].kind == "region":
            group.append(here)
    return group[::-1], False


def _says_where(tags: Sequence[Tag], region: int) -> bool:
    before = [tag.meaning for tag in tags[:region] if tag.kind not in ("function", "side")]
    return bool(before) and before[-1] in PREPOSITIONS


def _next_group(tags: Sequence[Tag], place: int) -> list[int]:
    """The next regions in the clause, unless another thing or a word that sets them apart stands between."""
    is_chained = False
    for here in range(place + 1, len(tags)):
        tag = tags[here]
        if tag.kind == "region":
            return _extended(tags, here)
        if tag.kind == "and":
            is_chained = True  # "raised and drawn-together brows"
            continue
        is_apart = tag.meaning in PREPOSITIONS and tags[place].meaning not in APPEARING
        if is_apart or tag.kind in OTHER_THINGS or (is_chained and tag.kind not in _PASSED):
            break
    return []
