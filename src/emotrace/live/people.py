"""Who is who while a stream goes on: a number, once given to a stretch of following, stays.

`FaceTracker.finish` joins stretches into persons when all of them are known. Here each is joined when it is first
heard of, by the same measure, and never moved again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from emotrace.media.people import Look, most_alike
from emotrace.media.tracking import FaceTrack, Following


class People:
    """Persons P1, P2, ... in order of first appearance. The number of somebody forgotten is not given again."""

    def __init__(self) -> None:
        self._persons: dict[str, dict[int, Following]] = {}
        self._numbers = 0

    def __len__(self) -> int:
        """How many persons are remembered."""
        return len(self._persons)

    def named(self, followings: Sequence[Following]) -> tuple[FaceTrack, ...]:
        """The persons of these stretches of following, in order of number; whoever is in none is forgotten."""
        by_track = {following.track_id: following for following in followings}
        kept = {
            person: {track_id: by_track[track_id] for track_id in own if track_id in by_track}
            for person, own in self._persons.items()
        }
        self._persons = {person: own for person, own in kept.items() if own}
        known = {track_id for own in self._persons.values() for track_id in own}
        for following in followings:
            if following.track_id not in known:
                self._persons.setdefault(self._person_of(following), {})[following.track_id] = following
        return tuple(_track(person, tuple(own.values())) for person, own in self._persons.items())

    def _person_of(self, following: Following) -> str:
        persons = [
            (reduce(Look.merged, (each.look for each in own.values())), [each.presence for each in own.values()])
            for own in self._persons.values()
        ]
        best = most_alike(following.look, following.presence, persons)
        if best is not None:
            return list(self._persons)[best]
        self._numbers += 1
        return f"P{self._numbers}"


def _track(person: str, own: Sequence[Following]) -> FaceTrack:
    in_order = sorted(own, key=lambda following: (following.presence, following.track_id))
    return FaceTrack(
        person_id=person,
        track_ids=tuple(following.track_id for following in in_order),
        presence=tuple(following.presence for following in in_order),
        squares=np.concatenate([following.squares for following in in_order]),
    )
