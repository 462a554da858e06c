"""The processes of a run and their device, by Accelerate: alone, or many under `accelerate launch`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, broadcast, gather_object, reduce
from torch import nn

from emotrace.errors import UsageError
from emotrace.training.settings import Precision

DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def new_accelerator(precision: Precision) -> Accelerator:
    """The processes of one run, which may follow others in the same program.

    Some branches of a model may have no part in a loss, so processes look for parameters without a gradient.

    Raises:
        UsageError: fp16 without a device that gains from it, or a launcher that cuts the model itself into parts.
    """
    accelerator = Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
    kind = accelerator.distributed_type
    if kind in (DistributedType.DEEPSPEED, DistributedType.FSDP, DistributedType.MEGATRON_LM):
        raise UsageError(
            f"{kind.value} shards a model, and here each process holds all of it",
            where="accelerate launch",
            hint="Choose plain multi-GPU or multi-CPU with `accelerate config`",
        )
    if precision == "fp16" and accelerator.device.type == "cpu":
        raise UsageError("fp16 needs a GPU, and there is none", where="precision", hint="Use 'bf16' or 'no'")
    return accelerator


def arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Within it, matrix products run in the precision of the settings, whatever an outer context says."""
    return torch.autocast(device.type, dtype=DTYPES.get(precision), enabled=precision in DTYPES)


def gathered(values: list[Any], accelerator: Accelerator) -> list[Any]:
    """The lists of all processes as one, process after process."""
    return values if accelerator.num_processes == 1 else list(gather_object(values))


def average_buffers(module: nn.Module, share: float, accelerator: Accelerator) -> None:
    """Gives every process the mean of all processes' buffers of real numbers, such as running means.

    Args:
        module: Whose buffers changed while each process saw its own clips.
        share: Of the clips, this process's; all shares sum to 1.
        accelerator: The processes.
    """
    if accelerator.num_processes == 1:
        return
    for buffer in module.buffers():
        if buffer.is_floating_point():
            first = broadcast(buffer.clone(), from_process=0)
            # The mean as a difference: a buffer that is the same everywhere stays as it is, to the bit, infinities too.
            apart = torch.where(buffer == first, torch.zeros_like(buffer), buffer - first)
            buffer.copy_(first + reduce(apart * share, reduction="sum"))
