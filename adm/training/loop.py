"""The training loop: a generator that yields one report for each step."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Self

import torch
from torch import Tensor

from adm.config.models import TrainingParams, parts_of
from adm.data.batches import Batches
from adm.determinism import generator
from adm.errors import NotFiniteError
from adm.parallel import ALONE, Group
from adm.training.inputs import DROPOUT, Noise, inputs
from adm.training.state import TrainingState
from adm.training.updates import Report, warmed_up, where_not_finite


def train(
    state: TrainingState, batches: Batches, training: TrainingParams, stop: int, group: Group = ALONE
) -> Iterator[Report]:
    """Train from the state's step until `stop` updates are made.

    Args:
        state: Changed in place. It may be saved between two reports.
        batches: The data.
        training: How to optimise.
        stop: The number of updates at which to end.
        group: The processes that share each batch; all hold the same state.

    Yields:
        A report after each update.

    Raises:
        NotFiniteError: The loss or a gradient is not finite, and no smaller loss scale helps.

    Source: Appendix K.
    """
    state.network.train()
    rows = Share.of(training, group).rows
    drawn = training.seeds.noise, state.task.diffusion.num_timesteps, training.label_dropout
    for x_0, y, noise in inputs(batches, range(state.step, stop), rows, group.device, *drawn):
        yield train_step(state, training, x_0, y, group, noise)


def train_step(
    state: TrainingState,
    training: TrainingParams,
    x_0: Tensor,
    y: Tensor,
    group: Group = ALONE,
    noise: Noise | None = None,
) -> Report:
    """Make one update.

    Args:
        state: Changed in place.
        training: How to optimise.
        x_0: (B, C, H, W) float32 in [-1, 1], this process's share of the batch, on its device.
        y: (B,) int64, its labels, NO_CLASS where they are dropped.
        group: The processes that share the batch.
        noise: The share's noise, if it was drawn before; None draws it now.
    """
    share = Share.of(training, group)
    timesteps = state.task.diffusion.num_timesteps
    noise = noise or Noise.of(training.seeds.noise, state.step, share.rows, x_0.shape[1:], timesteps)
    rate = learning_rate(training, state.step)
    # An overflow repeats the step with a smaller scale. Skipping it would leave schedules, data and EMA out of step.
    for attempt in count():
        values = _gradients(state, training, x_0, y, noise, share)
        gradients = [parameter.grad for parameter in state.parameters if parameter.grad is not None]
        group.all_reduce(gradients)
        group.all_reduce(list(values.values()))
        if state.scale.active:
            torch._foreach_mul_(gradients, 1 / state.scale.factor)
        values["gradient_norm"] = torch.nn.utils.get_total_norm(gradients).double()
        # All numbers in one copy: the only time in a step that a GPU is waited for.
        numbers = dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))
        if math.isfinite(numbers["loss"] + numbers["gradient_norm"]):
            break
        if not state.scale.shrink():
            raise NotFiniteError(_not_finite(state, numbers, attempt))
    _update(state, training, rate)
    state.scale.grow()
    state.step += 1
    return Report(state.step, {**numbers, "learning_rate": rate, "log2_loss_scale": state.scale.log2})


def learning_rate(training: TrainingParams, step: int) -> float:
    """Compute the learning rate of an update: constant, or falling linearly to zero at step `annealing`."""
    if training.annealing is None:
        return training.learning_rate
    return training.learning_rate * max(0.0, 1 - step / training.annealing)


@dataclass(frozen=True)
class Share:
    """A process's share of a batch, cut into micro-batches; these are the same for any number of processes.

    Attributes:
        rows: The numbers of its rows in the whole batch.
        parts: Number of micro-batches of all processes together.
        size: Number of images in a micro-batch.
    """

    rows: range
    parts: int
    size: int

    @classmethod
    def of(cls, training: TrainingParams, group: Group) -> Self:
        """Compute the share of this process.

        Raises:
            ValueError: The processes cannot share a batch evenly; `check_shared` refuses them earlier.
        """
        batch, parts = training.batch_size, parts_of(training.batch_size, training.accumulation, group.size)
        share = batch // group.size
        return cls(range(group.rank * share, (group.rank + 1) * share), parts, batch // parts)

    def micro_batches(self) -> Iterator[tuple[int, slice]]:
        """Yield each micro-batch's number among all processes' and its rows of the share."""
        for start in range(self.rows.start, self.rows.stop, self.size):
            yield start // self.size, slice(start - self.rows.start, start - self.rows.start + self.size)


def _gradients(
    state: TrainingState, training: TrainingParams, x_0: Tensor, y: Tensor, noise: Noise, share: Share
) -> dict[str, Tensor]:
    """Accumulate the scaled gradients of a share; return its part of the mean values."""
    for parameter in state.parameters:
        parameter.grad = None
    # Without a GPU `torch.manual_seed` writes down where it was called, which takes a thirtieth of a small step.
    seed = torch.manual_seed if x_0.is_cuda else torch.default_generator.manual_seed
    sums: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        for number, rows in share.micro_batches():
            # Dropout takes no generator. Seeding the global one makes it a function of seed, step and micro-batch.
            path = (training.seeds.noise, state.step, DROPOUT, *([number] if number else []))
            seed(generator(*path).initial_seed())
            values = state.task.losses(state.forward, x_0[rows], y[rows], noise.t[rows], noise.eps[rows])
            loss = values["loss"].mean() / share.parts
            (loss * state.scale.factor).backward()  # type: ignore[no-untyped-call]
            for name, value in values.items():
                mean = value.detach().mean().double() / share.parts
                sums[name] = sums[name] + mean if name in sums else mean
    return sums


def _update(state: TrainingState, training: TrainingParams, rate: float) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.step()
    ema_rate = training.ema_rate or 0.0
    if training.ema_warmup:
        ema_rate = warmed_up(ema_rate, state.step)
    torch._foreach_lerp_(list(state.ema.values()), state.weights, 1 - ema_rate)
    state.averages.update(state.weights, state.step + 1)


def _not_finite(state: TrainingState, numbers: Mapping[str, float], attempts: int) -> str:
    place = where_not_finite(state.network)
    gradient = "a finite gradient" if math.isfinite(numbers["gradient_norm"]) else f"a non-finite gradient, {place}"
    return (
        f"iteration {state.step}: loss {numbers['loss']} with {gradient}, after {attempts} smaller loss scales; "
        "lower learning_rate, or try another precision"
    )
