"""What an update computes on: images, labels and noise, each a function of seed, step and row."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from adm.data.batches import Batches, to_unit_range
from adm.determinism import seeds
from adm.nets.unet import NO_CLASS

NOISE, DROPOUT, LABELS = 2, 3, 4
"""Random streams of a training run; `adm.data.batches` uses 0 and 1."""

T = TypeVar("T")


class Noise(NamedTuple):
    """The timesteps and the noise of some images of a batch.

    Each image has a seed of its own, so no process draws those of another one's images.

    Attributes:
        t: (B,) int64, each timestep with equal probability. Source: equation 12.
        eps: (B, C, H, W) float32, standard normal.
    """

    t: Tensor
    eps: Tensor

    @classmethod
    def of(
        cls, seed: int, step: int, rows: range, shape: Sequence[int], timesteps: int, pinned: bool = False
    ) -> "Noise":
        """Draw the noise of a step.

        Args:
            seed: The training run's seed of the noise.
            step: The number of updates made before.
            rows: The images' numbers in the whole batch.
            shape: Of an image, (C, H, W).
            timesteps: T of the process.
            pinned: Whether they are to be copied to a GPU.
        """
        u = torch.empty(len(rows), dtype=torch.float64)
        eps = torch.empty(len(rows), *shape, pin_memory=pinned)
        draws = torch.Generator()
        for place, own in enumerate(seeds(rows, seed, step, NOISE)):
            draws.manual_seed(own)
            u[place].uniform_(generator=draws)
            eps[place].normal_(generator=draws)
        t = (u * timesteps).long()
        return cls(t.pin_memory() if pinned else t, eps)


def dropped_labels(y: Tensor, rate: float, seed: int, step: int, rows: range) -> Tensor:
    """Replace each label by NO_CLASS with a probability; an image's draw is its own.

    Args:
        y: (B,) int64.
        rate: The probability, in [0, 1).
        seed: The training run's seed of the noise.
        step: The number of updates made before.
        rows: The images' numbers in the whole batch.

    Returns:
        (B,) int64.

    Source: Ho & Salimans (2022), algorithm 1.
    """
    drawn = torch.tensor([draw / 2.0**64 for draw in seeds(rows, seed, step, LABELS)], dtype=torch.float64)
    return torch.where(drawn < rate, NO_CLASS, y)


def inputs(
    batches: Batches,
    steps: range,
    rows: range,
    device: torch.device,
    seed: int,
    timesteps: int,
    label_dropout: float = 0.0,
) -> Iterator[tuple[Tensor, Tensor, Noise]]:
    """Yield x_0 (B, C, H, W) float32 in [-1, 1], y (B,) int64 and the noise of each step, on a device.

    For a GPU a thread reads images and draws noise before they are needed, and pixels travel as bytes. On a CPU, whose
    cores would share the work, nothing is done ahead.

    Args:
        batches: The data.
        steps: The numbers of updates made before each step.
        rows: This process's rows of each batch.
        device: Where the inputs are needed.
        seed: The training run's seed of the noise.
        timesteps: T of the process.
        label_dropout: The probability with which an image's label is NO_CLASS.
    """
    pinned = device.type == "cuda"

    def made(step: int) -> tuple[Tensor, ...]:
        pixels, y = batches.pixels_at(step, slice(rows.start, rows.stop))
        if label_dropout:
            y = dropped_labels(y, label_dropout, seed, step, rows)
        noise = Noise.of(seed, step, rows, (batches.channels, *pixels.shape[1:3]), timesteps, pinned)
        return (pixels.pin_memory(), y.pin_memory(), *noise) if pinned else (pixels, y, *noise)

    for tensors in ahead(made, steps, 2) if pinned else map(made, steps):
        pixels, y, t, eps = (tensor.to(device, non_blocking=True) for tensor in tensors)
        yield to_unit_range(pixels), y, Noise(t, eps)


def ahead(make: Callable[[int], T], steps: Iterable[int], depth: int) -> Iterator[T]:
    """Yield make(step) for each step, in order, while a thread makes the next `depth`.

    An error that `make` raises is raised here, once all before it were yielded. When the caller stops, no more are
    begun, and the one in the making is waited for.
    """
    waiting: deque[Future[T]] = deque()
    thread = ThreadPoolExecutor(1)
    try:
        for step in steps:
            waiting.append(thread.submit(make, step))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
