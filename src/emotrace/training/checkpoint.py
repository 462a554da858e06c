"""A checkpoint: a folder with `weights.safetensors` and `config.json`, and with `state/` where training can go on.

The first two are what is published; a card and a licence may be laid beside them. Nothing here is a pickle. The folder
is replaced whole, so that a kill at any moment leaves the last good one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emotrace.errors import CheckpointMismatch, ChecksumMismatch, ModelNotFound, UnreadableCheckpoint, first_five
from emotrace.files import sha256_of
from emotrace.training.mismatch import demand_same
from emotrace.training.splits import DataSplit
from emotrace.training.whole_folder import replacing, standing

WEIGHTS, CONFIG, STATE = "weights.safetensors", "config.json", "state"


class CheckpointConfig(BaseModel):
    """What `config.json` says about the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["emotrace checkpoint 1"] = "emotrace checkpoint 1"
    emotrace: str
    """Version of the package that wrote it."""
    labels: tuple[str, ...]
    """In the order of the answers' columns."""
    learner: dict[str, Any]
    """The learner's configuration."""
    settings: dict[str, Any]
    """The training settings."""
    settings_sha256: str
    data_split: str
    """SHA-256 of the lists of clips, and their lengths."""
    fold: str
    seed: int
    epoch: int
    """Epochs that were finished."""
    step: int
    """Optimiser steps that were done."""
    metrics: dict[str, dict[str, float] | None]
    """Scores after the last finished epoch, by list."""
    weights_sha256: str
    frozen_sha256: str | None = None
    """Of the frozen weights that were left out of the file and must be built; None if the file has all."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights with what is known about them."""

    folder: Path
    config: CheckpointConfig
    weights: Mapping[str, Tensor]

    def load_into(self, module: nn.Module) -> None:
        """Copies the weights into a module of the same build, whose frozen weights may be its own.

        Raises:
            CheckpointMismatch: Names or shapes differ.
        """
        own = module.state_dict()
        lacking = sorted(own.keys() - self.weights.keys())
        if strangers := sorted(self.weights.keys() - own.keys()):
            raise self._mismatch(f"the module does not have {first_five(strangers)}")
        if lacking and self.config.frozen_sha256 is None:
            raise self._mismatch(f"{WEIGHTS} does not have {first_five(lacking)}")
        for name, tensor in self.weights.items():
            if tensor.shape != own[name].shape:
                there, here = tuple(tensor.shape), tuple(own[name].shape)
                raise self._mismatch(f"{name} is {there} in {WEIGHTS} and {here} in the module")
        if lacking and (found := _digest({name: own[name] for name in lacking})) != self.config.frozen_sha256:
            raise self._mismatch(f"it rests on frozen weights {self.config.frozen_sha256}, and the module has {found}")
        module.load_state_dict({**own, **self.weights})

    def _mismatch(self, what: str) -> CheckpointMismatch:
        hint = "Build the model from the checkpoint's own configuration, on the same pretrained weights"
        return CheckpointMismatch(what, where=self.folder, hint=hint)


def save_checkpoint(
    folder: Path,
    *,
    module: nn.Module,
    state: Mapping[str, bytes] | None = None,
    keep_frozen: bool = True,
    **config: Any,
) -> CheckpointConfig:
    """Writes a checkpoint in the place of the one that may be there.

    Args:
        folder: The checkpoint's folder; its parent must exist.
        module: Whose weights are kept: parameters and persistent buffers.
        state: Files of the folder `state/` by name, without which the checkpoint is for use only.
        keep_frozen: Whether parameters without a gradient are kept too. Else only their hash is.
        config: Fields of `CheckpointConfig`, without the hashes of weights.

    Raises:
        UnwritableOutput: It cannot be written; what was there before is still there.
    """
    tensors = _own_tensors(module)
    frozen = set() if keep_frozen else {name for name, each in module.named_parameters() if not each.requires_grad}
    left_out = {name: tensors.pop(name) for name in sorted(frozen)}
    with replacing(folder) as part:
        save_file(tensors, part / WEIGHTS)
        written = CheckpointConfig(
            **config,
            weights_sha256=sha256_of(part / WEIGHTS),
            frozen_sha256=_digest(left_out) if left_out else None,
        )
        (part / CONFIG).write_text(written.model_dump_json(indent=2) + "\n", encoding="utf-8")
        shutil.copymode(part / CONFIG, part / WEIGHTS)  # the library lets nobody else read its file
        if state is not None:
            (part / STATE).mkdir()
            for name, data in state.items():
                (part / STATE / name).write_bytes(data)
    return written


def _own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The module's tensors, each with memory of its own: the format refuses tied ones."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor.clone() if tensor.untyped_storage().data_ptr() in seen else tensor
        seen.add(tensor.untyped_storage().data_ptr())
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\t{tensor.dtype}\t{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_checkpoint(
    folder: Path | str,
    *,
    labels: Sequence[str] | None = None,
    config: Mapping[str, Any] | None = None,
    data_split: DataSplit | None = None,
) -> Checkpoint:
    """Reads a checkpoint's weights and configuration.

    Args:
        folder: The checkpoint's folder.
        labels: What the labels must be, in this order, if given.
        config: What the learner's configuration must be, if given.
        data_split: The clips that it must have been trained and tested with, if given.

    Raises:
        ModelNotFound: There is no such folder.
        UnreadableCheckpoint: A part of it is missing, damaged or of another format.
        ChecksumMismatch: The weights are not the ones that were written.
        CheckpointMismatch: Its labels, configuration or clips are others; the message names both.
    """
    folder = Path(folder)
    place = standing(folder)
    if not place.is_dir():
        raise ModelNotFound("there is no such checkpoint", where=folder, hint="Name the folder, such as runs/f1/last")
    known = _read_config(place)
    wanted = {"labels": labels and tuple(labels), "learner": config, "data_split": data_split and str(data_split)}
    given = {name: value for name, value in wanted.items() if value is not None}
    demand_same(given, {name: getattr(known, name) for name in given}, where=folder)
    path = place / WEIGHTS
    try:
        if (found := sha256_of(path)) != known.weights_sha256:
            raise ChecksumMismatch(f"has SHA-256 {found}, {CONFIG} says {known.weights_sha256}", where=path)
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UnreadableCheckpoint(f"cannot be read ({error})", where=path) from None
    return Checkpoint(folder=folder, config=known, weights=weights)


def _read_config(folder: Path) -> CheckpointConfig:
    path = folder / CONFIG
    try:
        return CheckpointConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UnreadableCheckpoint(f"cannot be read ({error.strerror})", where=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UnreadableCheckpoint(
            f"is no configuration of a checkpoint ({place}: {first['msg']})", where=path
        ) from None
