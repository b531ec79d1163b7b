"""The training loop: a generator of reports, one a step."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from adm.data.batches import Batches
from adm.determinism import generator
from adm.nets.precision import autocast, memory_format
from adm.params.errors import UserError
from adm.params.models import TrainingParams
from adm.training.state import TrainingState
from adm.training.tasks import Draw, draw

NOISE, DROPOUT = 2, 3
"""Streams of random numbers of a training run, after those of `adm.data.batches`."""


@dataclass(frozen=True)
class Report:
    """What a step measured: `step` counts the updates made so far, `values` are means over the batch."""

    step: int
    values: dict[str, float]


def train(state: TrainingState, batches: Batches, training: TrainingParams, stop: int) -> Iterator[Report]:
    """Train until `stop` updates are made, wherever the state stands.

    Args:
        state: Changed in place; between two reports it can be saved.
        batches: The data.
        training: How to optimise.
        stop: The iteration to end at.

    Yields:
        A report after each update.

    Raises:
        UserError: The loss or a gradient is not finite and no smaller loss scale helps.

    Source: Appendix K.
    """
    state.network.train()
    while state.step < stop:
        yield train_step(state, training, *batches.at(state.step))


def train_step(state: TrainingState, training: TrainingParams, x_0: Tensor, y: Tensor) -> Report:
    """Make one update on a batch: x_0 (B, 3, H, W) float32 in [-1, 1], y (B,) int64; see `train`."""
    drawn = draw(state.task, x_0, generator(training.seed, state.step, NOISE))
    x_0 = x_0.contiguous(memory_format=memory_format(training.precision))
    rate = learning_rate(training, state.step)
    # An overflow repeats the step at a smaller scale, so that schedules, data and EMA never part ways.
    for attempt in count():
        values, losses = _gradients(state, training, x_0, y, drawn)
        norm = _unscaled_norm(state)
        if torch.isfinite(norm):
            break
        if not state.scale.shrink():
            raise UserError(_not_finite(state, values, attempt))
    _update(state, training, rate)
    state.task.timesteps.update(drawn.t, losses)
    state.scale.grow()
    state.step += 1
    extra = {"gradient_norm": float(norm), "learning_rate": rate, "log2_loss_scale": state.scale.log2}
    return Report(state.step, {**values, **extra})


def learning_rate(training: TrainingParams, step: int) -> float:
    """The learning rate of an update: constant, or falling linearly to zero at `annealing`."""
    if training.annealing is None:
        return training.learning_rate
    return training.learning_rate * max(0.0, 1 - step / training.annealing)


def _gradients(
    state: TrainingState, training: TrainingParams, x_0: Tensor, y: Tensor, drawn: Draw
) -> tuple[dict[str, float], Tensor]:
    """Accumulate the scaled gradients of a batch; return the values' means and the unweighted losses (B,)."""
    state.optimizer.zero_grad(set_to_none=True)
    size = len(x_0) // training.accumulation
    sums: dict[str, float] = {}
    losses = []
    with torch.random.fork_rng(devices=[]):
        # Dropout knows no generator: for the length of the step the global one is a function of seed and step.
        torch.manual_seed(generator(training.seed, state.step, DROPOUT).initial_seed())
        for start in range(0, len(x_0), size):
            rows = slice(start, start + size)
            part = drawn.part(rows)
            with autocast(training.precision, x_0.device.type):
                values = state.task.losses(state.network, x_0[rows], y[rows], part)
            loss = (values["loss"] * part.weights).mean() / training.accumulation
            (loss * state.scale.factor).backward()  # type: ignore[no-untyped-call]
            losses.append(values["loss"].detach())
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach().mean()) / training.accumulation
    return sums, torch.cat(losses)


def _unscaled_norm(state: TrainingState) -> Tensor:
    gradients = [parameter.grad for parameter in state.network.parameters() if parameter.grad is not None]
    if state.scale.active:
        torch._foreach_mul_(gradients, 1 / state.scale.factor)
    return torch.nn.utils.get_total_norm(gradients)


def _update(state: TrainingState, training: TrainingParams, rate: float) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.step()
    torch._foreach_lerp_(list(state.ema.values()), state.weights, 1 - training.ema_rate)


def _not_finite(state: TrainingState, values: dict[str, float], attempts: int) -> str:
    culprit = next(
        (
            f"first in {name}"
            for name, parameter in state.network.named_parameters()
            if parameter.grad is not None and not parameter.grad.isfinite().all()
        ),
        "in its norm alone",
    )
    return (
        f"iteration {state.step}: loss {values['loss']} with a non-finite gradient, {culprit}, after "
        f"{attempts} smaller loss scales; lower learning_rate, or try another precision"
    )
