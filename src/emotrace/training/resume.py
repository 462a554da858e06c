"""Where a run stands, as the files of a checkpoint's `state/`: tensors as safetensors, the rest as JSON, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from emotrace.errors import CheckpointMismatch, ChecksumMismatch, UnreadableCheckpoint, first_five
from emotrace.training.checkpoint import STATE
from emotrace.training.position import Position
from emotrace.training.whole_folder import standing

OPTIMIZER, POSITION = "optimizer.safetensors", "position.json"
BETWEEN = "|"
"""Between a parameter's name and a key of its optimiser state, of which none contains it."""


def state_files(
    position: Position, *, optimizer: torch.optim.Optimizer, module: nn.Module, scaler: Mapping[str, float]
) -> dict[str, bytes]:
    """The files of a state, by name."""
    names = _names(optimizer, module)
    tensors = {
        f"{names[index]}{BETWEEN}{key}": torch.as_tensor(value).detach().cpu().contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }
    data = save(tensors)
    complete = position.model_copy(
        update={"scaler": dict(scaler), "optimizer_sha256": sha256(data).hexdigest()},
    )
    return {OPTIMIZER: data, POSITION: complete.model_dump_json(indent=1).encode()}


def load_state(folder: Path, *, optimizer: torch.optim.Optimizer, module: nn.Module) -> Position:
    """Puts the optimiser where it was, and says how far the run is.

    Raises:
        UnreadableCheckpoint: The checkpoint has no state, or a damaged one.
        ChecksumMismatch: The optimiser's tensors are not the ones that were written.
        CheckpointMismatch: They belong to other parameters.
    """
    place = standing(folder) / STATE
    try:
        position = Position.model_validate_json((place / POSITION).read_bytes())
        data = (place / OPTIMIZER).read_bytes()
        if (found := sha256(data).hexdigest()) != position.optimizer_sha256:
            raise ChecksumMismatch(
                f"has SHA-256 {found}, {POSITION} says {position.optimizer_sha256}", where=place / OPTIMIZER
            )
        tensors = load(data)
    except (OSError, SafetensorError) as error:
        raise UnreadableCheckpoint(f"is no state to resume from ({error})", where=place) from None
    except ValidationError as error:
        raise UnreadableCheckpoint(f"is no state to resume from ({error.errors()[0]['msg']})", where=place) from None
    _load_optimizer(optimizer, module, tensors, where=folder)
    return position


def _load_optimizer(
    optimizer: torch.optim.Optimizer, module: nn.Module, tensors: Mapping[str, Tensor], *, where: Path
) -> None:
    index_of = {name: index for index, name in _names(optimizer, module).items()}
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, part = key.rpartition(BETWEEN)
        if name not in index_of:
            raise CheckpointMismatch(
                f"the optimiser's state is of {name}; the learner trains {first_five(index_of)}", where=where
            )
        state.setdefault(index_of[name], {})[part] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _names(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[int, str]:
    """Index of a parameter in the optimiser -> its name in the module."""
    name_of = {id(parameter): name for name, parameter in module.named_parameters()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {index: name_of[id(parameter)] for index, parameter in enumerate(parameters)}
