"""`--features`: which files hold each modality, who made them, and their rows for a list of clips.

visual=face            a set below ROOT/features, with or without its level (`face-UTT`)
visual=/data/clip-UTT  a folder in MERTools' layout
visual=f.safetensors   a packed set (`emotrace pack`)
face                   any of these, if the card that `emotrace features` lays beside it tells the modality
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotrace.datasets.mertools_features import UtteranceFeatures, feature_folder, read_utterances
from emotrace.datasets.packed_features import PackedFeatures
from emotrace.errors import InvalidFeatures, UnknownChoice, UsageError
from emotrace.priors.card import FeatureSource
from emotrace.priors.config import FEATURES

CARD_SCHEMA: Final = "emotrace.features/1"
_PACKED: Final = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class FeatureFiles:
    """The files of one modality."""

    modality: str
    place: Path
    """A folder, or a packed file."""
    card: Mapping[str, Any] | None
    """What `emotrace features` says of it; None where other tools made it."""

    def read(self, names: Sequence[str], *, silent: Collection[str] = ()) -> UtteranceFeatures:
        """One row per clip; see `read_utterances`, whose errors it raises.

        Args:
            names: The clips.
            silent: Clips in which nothing is said; of interest to `verbal` alone.
        """
        if self.place.suffix == _PACKED:
            return PackedFeatures(self.place).utterances(names)
        return read_utterances(self.place, names, silent=silent if self.modality == "verbal" else ())

    def source(self, learned: UtteranceFeatures) -> FeatureSource:
        """What a card of weights says of it.

        Args:
            learned: The rows of the labelled clips.
        """
        card = self.card or {}
        return FeatureSource(
            set_name=learned.set_name,
            width=learned.rows.shape[1],
            sha256=hash_of(learned.names, learned.rows),
            encoder=card.get("encoder"),
            fingerprint=card.get("fingerprint"),
            settings=card.get("settings"),
        )


def open_features(choices: Sequence[str], root: Path) -> dict[str, FeatureFiles]:
    """The files of each modality, in the order visual, vocal, verbal.

    Args:
        choices: As in `--features`; a modality that none is for is absent in every clip.
        root: The corpus's folder.

    Raises:
        UsageError: No choice, two for one modality, or one whose modality nobody tells.
        UnknownChoice: No such set.
        InvalidFeatures: A damaged card.
    """
    found: dict[str, FeatureFiles] = {}
    for choice in choices:
        modality, equals, name = choice.partition("=")
        if not equals or modality not in FEATURES:
            modality, name = "", choice
        place = _place(name, root)
        card = _card_of(place, root)
        told = None if card is None else str(card.get("modality"))
        if not modality and told not in FEATURES:
            raise UsageError(
                "no card beside these features tells their modality",
                where=f"--features {choice}",
                hint=f"Write it in front: {', '.join(f'{each}={name}' for each in FEATURES)}",
            )
        modality = modality or str(told)
        if told is not None and told != modality:
            raise UsageError(f"their card says that they are {told}", where=f"--features {choice}")
        if modality in found:
            raise UsageError(f"{modality} has two sets: {found[modality].place} and {place}", where="--features")
        found[modality] = FeatureFiles(modality=modality, place=place, card=card)
    if not found:
        raise UsageError(
            "needs features of the clips",
            where="--features",
            hint="Write them with `emotrace features`, then name one set per modality, such as visual=face",
        )
    return {modality: found[modality] for modality in FEATURES if modality in found}


def hash_of(names: Sequence[str], *arrays: np.ndarray) -> str:
    """SHA-256 of names and the numbers that belong to them."""
    digest = hashlib.sha256("\n".join(names).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, "<f4").data)
    return digest.hexdigest()


def _place(name: str, root: Path) -> Path:
    if name.endswith(_PACKED):
        places = (Path(name), root / name, root / "features" / name)
        if (found := next((place for place in places if place.is_file()), None)) is None:
            raise UnknownChoice("no packed features are there", where=name, hint="Write them with `emotrace pack`")
        return found
    try:
        return feature_folder(root, name)
    except UnknownChoice:
        if Path(name).is_dir():
            return Path(name)
        raise


def _card_of(place: Path, root: Path) -> Mapping[str, Any] | None:
    """The card beside a folder or a packed file; that of a packed set may have stayed with the folder."""
    names = [f"{place.name}.json"]
    if place.suffix == _PACKED:
        names = [f"{place.stem}.json", f"{PackedFeatures(place).set_name}.json"]
    places = [folder / name for name in names for folder in (place.parent, root / "features")]
    path = next((each for each in places if each.is_file()), None)
    if path is None:
        return None
    try:
        card = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidFeatures(f"is no card of features ({error})", where=path, hint="Extract them again") from None
    return card if isinstance(card, dict) and card.get("schema") == CARD_SCHEMA else None
