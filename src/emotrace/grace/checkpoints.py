"""GRACE's weights as a folder: `weights.safetensors`, `config.json`, and a card that says what they are.

    model = load_grace("runs/dfew/f1/last")
    model = load_grace("runs/dfew/f1/last", labels=scheme("dfew").labels)     # refuses another order of labels

A pretrained encoder's frozen weights are not copied: the folder has the encoder's name and the SHA-256 of those
weights, and on loading the encoder must give the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from emotrace._version import __version__
from emotrace.encoders.registry import build_encoder
from emotrace.errors import ModelNotFound, UnreadableCheckpoint
from emotrace.files import write_atomically
from emotrace.grace.config import DISCLAIMER, GraceConfig
from emotrace.grace.model import Grace
from emotrace.training.checkpoint import CONFIG, Checkpoint, load_checkpoint, save_checkpoint
from emotrace.training.mismatch import demand_same
from emotrace.training.whole_folder import standing

CARD = "card.json"


class GraceCard(BaseModel):
    """What somebody who is handed the folder should know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    disclaimer: str = DISCLAIMER
    weights_sha256: str
    encoder: str
    frozen_sha256: str | None
    """Of the encoder's own weights, where they are not in the folder."""
    corpus: str
    corpus_terms: str
    """Under which terms its owner gives the training clips away; they may bind the weights too."""
    protocol_sha256: str
    """Of the lists, the folder of the clips and the labels; `emotrace verify` prints that of the lists."""
    lists_sha256: str
    media_folder: str
    fold: str
    epochs: int
    text: str
    text_mode: str
    text_source: str | None
    """Who described the clips; None where the class bank alone was read."""
    sampler: str
    seed: int


def load_grace(folder: str | Path, labels: Sequence[str] | None = None) -> Grace:
    """A trained model, ready to be asked.

    Args:
        folder: With `weights.safetensors` and `config.json`, as training leaves it in `f1/last`.
        labels: What its labels must be, in this order, if given.

    Raises:
        ModelNotFound: No such folder, or not one of weights; or its encoder's weights are not to be had.
        UnreadableCheckpoint: A part is missing or damaged, or it is of another system.
        ChecksumMismatch: The weights are not the ones that were written.
        CheckpointMismatch: Its labels, or the encoder that it rests on, are others; the message names both.
    """
    folder = Path(folder)
    if folder.is_dir() and not (standing(folder) / CONFIG).is_file():
        inner = ", ".join(sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}")))
        hint = f"There are weights below it: {inner}" if inner else "Name the folder, such as runs/dfew/f1/last"
        raise ModelNotFound(f"no weights are there: it has no {CONFIG}", where=folder, hint=hint)
    checkpoint = load_checkpoint(folder, labels=labels)
    config = config_of(checkpoint)
    model = Grace(config, *build_encoder(config.encoder, adaptation=config.adaptation))
    checkpoint.load_into(model)
    return model.eval()


def config_of(checkpoint: Checkpoint) -> GraceConfig:
    """What the model of a checkpoint is made of.

    Raises:
        UnreadableCheckpoint: The checkpoint is of another system, or of a release with other settings.
        CheckpointMismatch: Its labels and its configuration contradict each other.
    """
    try:
        config = GraceConfig(**checkpoint.config.learner)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or CONFIG
        raise UnreadableCheckpoint(
            f"is no configuration of GRACE ({place}: {first['msg']})", where=checkpoint.folder / CONFIG
        ) from None
    demand_same({"labels": config.labels}, {"labels": checkpoint.config.labels}, where=checkpoint.folder)
    return config


def keeps_frozen(encoder: str) -> bool:
    """Whether an encoder's frozen weights are written too: only where they are small and come from no hub."""
    return encoder in ("tiny", "embedded")


def save_grace(model: Grace, folder: str | Path) -> Path:
    """Writes a model that was not trained by `training.fit`, such as one made for a test. The parent folder must exist.

    Raises:
        UnwritableOutput: It cannot be written.
    """
    folder = Path(folder)
    save_checkpoint(
        folder,
        module=model,
        keep_frozen=keeps_frozen(model.config.encoder),
        emotrace=__version__,
        labels=model.config.labels,
        learner=model.config.to_dict(),
        settings={},
        settings_sha256="",
        data_split="not trained here",
        fold="",
        seed=0,
        epoch=0,
        step=0,
        metrics={},
    )
    return folder


def write_card(folder: Path, card: GraceCard) -> Path:
    """Lays the card beside the weights.

    Raises:
        UnwritableOutput: It cannot be written.
    """
    return write_atomically(folder / CARD, card.model_dump_json(indent=1) + "\n")


def read_card(folder: Path) -> GraceCard | None:
    """The card beside the weights; None without one.

    Raises:
        UnreadableCheckpoint: It is damaged.
    """
    try:
        return GraceCard.model_validate_json((folder / CARD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UnreadableCheckpoint(f"is no card of GRACE's weights ({error})", where=folder / CARD) from None
