"""Training throughput on this machine: a naive implementation and this project's, timed in turns."""

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adm.config.models import AnyModel, Precision, Throughput, TrainingParams
from adm.determinism import allow_tf32, generator, make_deterministic
from adm.nets.forward import DTYPES, Forward
from adm.nets.weights import build, initial
from adm.parallel import CPU, Group, resolve_device
from adm.progress import progress
from adm.training.inputs import Noise
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task

MATRIX_SIDES = {"cpu": 2048, "cuda": 8192}
"""Side of the square matrices whose product measures a device's peak: large enough to use all arithmetic units."""


class NaiveTraining:
    """A first, simple implementation: AdamW and the moving average are updated tensor by tensor.

    It uses this project's network; only the training step is naive. Losses are not scaled in float16.

    Source: Appendix B.1, "a naive implementation of our models in PyTorch".
    """

    def __init__(
        self, network: nn.Module, model: AnyModel, precision: Precision = "float32", device: torch.device = CPU
    ) -> None:
        self.network, self.task, self.training = network.to(device), build_task(model, device), model.training
        self.forward = Forward(network, precision)
        self.average = copy.deepcopy(network)
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=self.training.learning_rate,
            betas=(0.9, 0.999),
            weight_decay=self.training.weight_decay,
            foreach=False,
            fused=False,
        )

    def step(self, x_0: Tensor, y: Tensor, noise: Noise) -> None:
        """Make one update on a batch: x_0 (B, C, H, W) float32 in [-1, 1], y (B,) int64, and its noise."""
        loss = self.task.losses(self.forward, x_0, y, *noise)["loss"]
        self.optimizer.zero_grad()
        loss.mean().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        rate = self.training.ema_rate or 0.0
        with torch.no_grad():
            for average, parameter in zip(self.average.parameters(), self.network.parameters(), strict=True):
                average.mul_(rate).add_(parameter, alpha=1 - rate)


def measure(throughput: Throughput, model: AnyModel, device: torch.device = CPU) -> dict[str, list[float]]:
    """Time both implementations on batches in memory, in turns: a machine that slows down then slows both.

    Each makes real updates on random images, labels and noise; its first update is not timed.

    Args:
        throughput: Batch sizes, precision, and the numbers of updates and repetitions.
        model: The model to train; its own batch size, accumulation, precision, averages and optimiser are ignored.
        device: What computes.

    Returns:
        A number for each repetition, by name: "peak_flops" in operations per second, "naive" and "optimised" in images
        per second.
    """
    timings: dict[str, list[float]] = {"peak_flops": [], "naive": [], "optimised": []}
    changes = {
        "batch_size": throughput.optimised_batch,
        "accumulation": 1,
        "precision": throughput.precision,
        "threads": throughput.threads,
        "averages": None,  # the naive implementation keeps none either, and is by AdamW
        "optimizer": "adamw",
    }
    # Initial weights and the naive dropout draw from the global generator; the fork restores it.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.training.seeds.weights)
        plain = NaiveTraining(build(model), model, throughput.precision, device)
        batch = _batch(model, throughput.naive_batch, device)
        _, optimised = _updates(build(model), model, model.training.model_copy(update=changes), device)
        turns: dict[str, tuple[int, Callable[[], object]]] = {
            "naive": (throughput.naive_batch, lambda: plain.step(*batch)),
            "optimised": (throughput.optimised_batch, optimised),
        }
        for _, update in turns.values():
            update()
        for _ in progress(range(throughput.repetitions), unit="repetition"):
            timings["peak_flops"].append(peak_flops(device, throughput.precision))
            for name, (size, update) in turns.items():
                timings[name].append(size * _rate(update, throughput.steps, device))
    return timings


def update_seconds(model: AnyModel, device: str = "cpu", seconds: float = 3.0, images: int | None = None) -> float:
    """Measure the seconds of an update as training makes it, on this machine: the mean over some seconds.

    A machine that others share is faster at one moment than over minutes, so the fastest would promise too much. With
    `images` so many of a batch are computed; the others take as long each, and the step of the optimiser counts once.
    """
    network, place, whole = initial(model), resolve_device(device), model.training.batch_size
    training = model.training.model_copy(update={"batch_size": images or whole})
    state, update = _updates(network, model, training, place)
    before = torch.get_num_threads()
    make_deterministic(model.training.threads)
    try:
        update()
        of_optimizer = 1 / _rate(state.optimizer.step, 1, place)
        spent: list[float] = []
        while sum(spent) < seconds:
            spent.append(1 / _rate(update, 1, place))
    finally:
        torch.set_num_threads(before)
    return (sum(spent) / len(spent) - of_optimizer) * whole / training.batch_size + of_optimizer


def peak_flops(device: torch.device = CPU, precision: Precision = "float32") -> float:
    """Measure the floating-point operations per second of a product of two square matrices (2 side^3 operations).

    They are float32 on a CPU. On a GPU, whose tensor cores are several times as fast, they have the given precision.
    The fastest of three products counts.
    """
    side = MATRIX_SIDES[device.type]
    dtype = DTYPES.get(precision, torch.float32) if device.type == "cuda" else torch.float32
    allow_tf32(precision == "tf32")
    a, b = torch.rand(2, side, side, generator=generator(0)).to(device, dtype)
    product = torch.empty_like(a)
    fastest = max(_rate(lambda: torch.mm(a, b, out=product), 1, device) for _ in range(3))
    return 2 * side**3 * fastest


def _updates(
    network: nn.Module, model: AnyModel, training: TrainingParams, device: torch.device
) -> tuple[TrainingState, Callable[[], object]]:
    """Build a state and a function that updates it, as training does, on a batch that is in the device's memory."""
    state = TrainingState(network, build_task(model, device), training, device)
    x_0, y, noise = _batch(model, training.batch_size, device)
    return state, lambda: train_step(state, training, x_0, y, Group(device=device), noise)


def _batch(model: AnyModel, size: int, device: torch.device) -> tuple[Tensor, Tensor, Noise]:
    draws = generator(model.training.seeds.data)
    side, channels = model.network.image_size, model.network.image_channels
    x_0 = torch.rand(size, channels, side, side, generator=draws) * 2 - 1
    y = torch.randint(model.network.num_classes or 1, (size,), generator=draws)
    t, eps = Noise.of(model.training.seeds.noise, 0, range(size), x_0.shape[1:], model.noise.timesteps)
    return x_0.to(device), y.to(device), Noise(t.to(device), eps.to(device))


def _rate(work: Callable[[], object], times: int, device: torch.device) -> float:
    """Measure the runs of `work` per second over `times` runs, from when the device is idle until it is again."""
    _wait(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    _wait(device)
    return times / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
