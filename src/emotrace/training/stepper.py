"""`Stepper`: one optimiser step at a time, over all pieces of a batch and all processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.errors import TrainingDiverged, UsageError, first_five
from emotrace.training.learner import Learner
from emotrace.training.loading import moved
from emotrace.training.processes import arithmetic, average_buffers, gathered
from emotrace.training.sampler import Piece
from emotrace.training.schedule import learning_rate
from emotrace.training.seeds import seed_of, set_global_generators
from emotrace.training.settings import Precision, TrainingSettings

BETAS = (0.9, 0.999)


class _LossModule(nn.Module):
    """A learner's loss as a module, so that whatever wraps modules to average gradients need not know learners."""

    def __init__(self, learner: Learner, precision: Precision, device: torch.device) -> None:
        super().__init__()
        self.module = learner.module
        self._loss = learner.loss
        self._precision: Precision = precision
        self._device = device

    def forward(self, batch: Any, step: int, total_steps: int) -> tuple[Tensor, Mapping[str, float]]:
        with arithmetic(self._precision, self._device):
            losses = self._loss(batch, step=step, total_steps=total_steps)
        return losses.total.float(), losses.terms


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceLoss:
    """What one piece of a batch cost."""

    number: int
    share: float
    loss: float
    terms: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """One optimiser step."""

    loss: float
    """Mean over the batch's clips."""
    pieces: tuple[PieceLoss, ...]
    gradient_norm: float
    """Before clipping."""
    learning_rates: tuple[float, ...]


class Stepper:
    """Holds the optimiser. The learner's module is moved to the accelerator's device."""

    def __init__(
        self, learner: Learner, settings: TrainingSettings, accelerator: Accelerator, *, fold: str, total_steps: int
    ) -> None:
        self._settings, self._accelerator, self._fold, self._total_steps = settings, accelerator, fold, total_steps
        self._module = learner.module
        self._loss_module: nn.Module = accelerator.prepare_model(
            _LossModule(learner, settings.precision, accelerator.device)
        )
        groups = learner.parameter_groups()
        _demand_all_parameters(learner.module, groups)
        self._peaks = [float(group["lr"]) for group in groups]
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, betas=BETAS)
        self.scaler = torch.amp.GradScaler(accelerator.device.type, enabled=settings.precision == "fp16")

    def step(self, own: Sequence[tuple[Piece, Any]], pieces: Sequence[Piece], *, step: int, epoch: int) -> StepResult:
        """Learns from one batch.

        The gradient is that of the mean loss over the batch's clips, however it is cut into pieces. Before each piece
        the global generators are set from the piece's name, so that dropout does not depend on who computes it, or on
        what was computed before.

        Args:
            own: This process's pieces, each with what the learner made of it.
            pieces: All pieces of the batch, of all processes.
            step: Optimiser steps done before, since the start of the run.
            epoch: The epoch, counted from 1.

        Raises:
            TrainingDiverged: A loss or the gradient is not a finite number; the weights are as they were before.
        """
        rates = self._set_learning_rates(step)
        self.optimizer.zero_grad(set_to_none=True)
        losses: list[tuple[Piece, Tensor, Mapping[str, float]]] = []
        for count, (piece, batch) in enumerate(own, start=1):
            # Gradients are added up here, and averaged over processes with the last piece.
            with nullcontext() if count == len(own) else self._accelerator.no_sync(self._loss_module):
                total, terms = self._loss_of(piece, batch, step=step, epoch=epoch)
            losses.append((piece, total, terms))
        average_buffers(self._module, sum(piece.share for piece, _ in own), self._accelerator)
        found = self._of_all_processes(losses)
        self._demand_finite_losses(found, pieces, step=step, epoch=epoch)
        norm = self._update(pieces, step=step, epoch=epoch)
        mean = sum(each.share * each.loss for each in found)
        return StepResult(loss=mean, pieces=found, gradient_norm=norm, learning_rates=rates)

    def _loss_of(self, piece: Piece, batch: Any, *, step: int, epoch: int) -> tuple[Tensor, Mapping[str, float]]:
        key = f"{piece.batch}.{piece.number}"
        seed = seed_of(self._settings.seed, self._fold, epoch, "layers", key)
        set_global_generators(seed, self._accelerator.device)
        total, terms = self._loss_module(moved(batch, self._accelerator.device), step, self._total_steps)
        # Processes are averaged by the wrapper, and the batch's mean is wanted.
        weight = piece.share * self._accelerator.num_processes
        self.scaler.scale(total * weight).backward()
        return total.detach(), terms

    def _set_learning_rates(self, step: int) -> tuple[float, ...]:
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = learning_rate(
                peak,
                step=step,
                total_steps=self._total_steps,
                warmup_share=self._settings.warmup_share,
                final=self._settings.final_learning_rate,
            )
        return tuple(group["lr"] for group in self.optimizer.param_groups)

    def _of_all_processes(self, losses: list[tuple[Piece, Tensor, Mapping[str, float]]]) -> tuple[PieceLoss, ...]:
        values = torch.stack([total for _, total, _ in losses]).tolist()  # one wait for the device, not one per piece
        own = [
            PieceLoss(number=piece.number, share=piece.share, loss=value, terms=dict(terms))
            for (piece, _, terms), value in zip(losses, values, strict=True)
            if piece.share > 0
        ]
        return tuple(sorted(gathered(own, self._accelerator), key=lambda each: each.number))

    def _demand_finite_losses(
        self, found: Sequence[PieceLoss], pieces: Sequence[Piece], *, step: int, epoch: int
    ) -> None:
        for each in found:
            if not math.isfinite(each.loss):
                raise _diverged(f"the loss is {each.loss}", epoch, step, [pieces[each.number]])

    def _update(self, pieces: Sequence[Piece], *, step: int, epoch: int) -> float:
        self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._settings.clip_norm or math.inf))
        if not math.isfinite(norm) and not self.scaler.is_enabled():  # the scaler skips such a step, and scales less
            raise _diverged(f"the gradient's norm is {norm}", epoch, step, pieces)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return norm


def _diverged(what: str, epoch: int, step: int, pieces: Sequence[Piece]) -> TrainingDiverged:
    clips = first_five(item.key for piece in pieces if piece.share > 0 for item in piece.items)
    return TrainingDiverged(
        f"{what}, with the clips {clips}",
        where=f"epoch {epoch}, step {step + 1}",
        hint="Look at these clips, or lower the learning rate; the last checkpoint is from before",
    )


def _demand_all_parameters(module: nn.Module, groups: Sequence[Mapping[str, Any]]) -> None:
    """Makes sure that nothing stays untrained unnoticed."""
    grouped = {id(parameter) for group in groups for parameter in group["params"]}
    named = dict(module.named_parameters())
    if left_out := [name for name, each in named.items() if each.requires_grad and id(each) not in grouped]:
        raise UsageError(f"leave out {first_five(left_out)}", where="parameter_groups", hint="Freeze or group them")
    if strangers := len(grouped - {id(each) for each in named.values()}):
        raise UsageError(f"have {strangers} parameters that the module does not have", where="parameter_groups")
