"""`PriorsCard`: what somebody who is handed the weights of a fold should know; it lies beside them.

    card = read_card("runs/mer2024/full/f1/s0/tuned/last")

A network of priors reads vectors of a fixed kind, so the card names who made them: whoever answers a new clip must
extract its features with the same encoders under the same settings, and read its trace with the same text encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from emotrace.errors import UnreadableCheckpoint
from emotrace.files import write_atomically
from emotrace.priors.config import DISCLAIMER
from emotrace.priors.trace_views import View

CARD: Final = "card.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeatureSource(_Frozen):
    """Who made the features of one modality, as the card of `emotrace features` beside them says."""

    set_name: str
    """Of the folder or packed file, such as `face-UTT`."""
    width: int
    sha256: str
    """Of the rows that were learned from, with the clips' names."""
    encoder: str | None = None
    """What `emotrace features --encoder` takes; None where no card lies beside the features: other tools made them."""
    fingerprint: str | None = None
    """Of the encoder's code, settings and weights; None as for `encoder`."""
    settings: Mapping[str, Any] | None = None
    """How clips were looked at (detector, pictures per second); None as for `encoder`."""

    @property
    def is_known(self) -> bool:
        """Whether a new clip's features can be made the same way."""
        return self.encoder is not None and self.fingerprint is not None


class TraceSource(_Frozen):
    """Who wrote the traces, and who reads them."""

    providers: tuple[str, ...]
    """`provider/model`, sorted."""
    text_encoder: str
    text_fingerprint: str
    text_width: int
    view: View
    clips: int
    """How many labelled clips have a trace."""
    sha256: str
    """Of the vectors and reliabilities that were learned from."""


class HeldOutScores(_Frozen):
    """Scores in [0, 1] of one fold's weights on clips that they never saw."""

    clips: int
    uar: float
    waf: float
    accuracy: float


class PriorsCard(_Frozen):
    """What the weights of one fold and seed are."""

    disclaimer: str = DISCLAIMER
    weights_sha256: str
    corpus: str
    corpus_terms: str
    """Under which terms its owner gives the clips away; they may bind the weights too."""
    scheme: str
    """Of the labels, for `emotrace.labels.schemes.scheme`; `generic` where the corpus's own labels are the scheme."""
    labels: tuple[str, ...]
    """In the order of the logits."""
    fold: int
    seed: int
    folds_sha256: str
    """Of the file that says which clip is tested where."""
    features: Mapping[str, FeatureSource]
    """By modality: visual, vocal, verbal."""
    traces: TraceSource | None
    """None: trained without traces, so the weights are prior-free."""
    train_clips: int
    guessed_clips: int
    """Clips that were learned from under a guessed label."""
    validation: HeldOutScores | None
    """Of the fold's held-out clips."""
    test: HeldOutScores | None
    """Of the corpus's first test set, by this fold alone; None without one, or where its labels are hidden."""


def write_card(folder: Path, card: PriorsCard) -> Path:
    """Lays the card beside the weights.

    Raises:
        UnwritableOutput: It cannot be written.
    """
    return write_atomically(folder / CARD, card.model_dump_json(indent=1) + "\n")


def read_card(folder: str | Path) -> PriorsCard | None:
    """The card beside the weights; None without one.

    Raises:
        UnreadableCheckpoint: It is damaged.
    """
    place = Path(folder) / CARD
    try:
        return PriorsCard.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UnreadableCheckpoint(f"is no card of a network of priors ({error})", where=place) from None
