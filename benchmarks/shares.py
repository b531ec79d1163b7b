"""Where the time of a training step and of guided sampling goes: shares of kinds of operations, on one thread.

Run as `python -m benchmarks.shares`. Operations are those of torch's profiler, by the time that is their own; in guided
sampling both networks have the case's precision. Compiled, it is shown where there is a C++ compiler; its
normalisations are parts of fused kernels, which count as pointwise. The last column is what convolutions reach, beside
a product of two square matrices in float32, which is printed first.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from torch._inductor import config
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from adm.determinism import make_deterministic
from adm.machine import cpp_compiler
from adm.nets.weights import build
from adm.sampling.guided import block_sampler, block_trajectories
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from adm.training.throughput import peak_flops
from benchmarks.cases import Case, cases

KINDS = {
    "convolutions": ("convolution",),
    "normalisations": ("group_norm",),
    "attention": ("scaled_dot_product", "softmax", "bmm"),
    "linear, copies": (
        "aten::mm",
        "cpu_mm_out",
        "addmm",
        "copy_",
        "aten::cat",
        "upsample",
        "avg_pool",
        "aten::fill_",
        "aten::zero_",
    ),
    "pointwise": ("silu", "aten::mul", "aten::add", "aten::sub", "aten::div", "aten::sum", "aten::mean"),
}
"""What names of operations hold; the first that fits counts. All others are "the rest", the optimiser's among them."""

REST = "the rest"

STEPS = 5
"""Training steps that are looked at; sampling takes the steps of its case."""


FUSED = "cpp_fused"
"""In the names of compiled kernels, before all operations that they are made of."""

Work = Callable[[], object]


def works(case: Case, compiled: bool) -> Iterator[tuple[str, Work, Work]]:
    """Yield the names of a training step and of guided sampling, what computes each, and what does so uncompiled."""
    torch.manual_seed(0)
    network, training = build(case.model), case.model.training
    state, batch = TrainingState(network, build_task(case.model), training), case.batch_of_data()
    step = partial(train_step, state, training, *batch)
    yield "training step", step, step
    frozen = [build(model).eval().requires_grad_(False) for model in (case.model, case.classifier)]
    run = case.run.model_copy(update={"classifier_precision": case.precision})
    sampled = partial(block_sampler(block_trajectories(run, case.model, *frozen, 10)), 0)
    yield "guided sampling", sampled, sampled
    if compiled:
        run = run.model_copy(update={"compiled": True})
        yield "the same, compiled", partial(block_sampler(block_trajectories(run, case.model, *frozen, 10)), 0), sampled


class Convolved(TorchDispatchMode):
    """Counts the operations of convolutions."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute an operation, and count it."""
        out = func(*args, **(kwargs or {}))
        if "convolution" in str(func):
            self.count += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def kind_of(name: str, shapes: list[list[int]], batch: int) -> str:
    """Tell the kind of an operation; a product of as many matrices as images is a linear layer on tokens."""
    if FUSED in name:
        return "attention" if "softmax" in name else "pointwise"
    if "bmm" in name and shapes and shapes[0][0] == batch:
        return "linear, copies"
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), REST)


def shares(work: Work, uncompiled: Work, repeats: int, batch: int) -> dict[str, float]:
    """Measure the share of each kind of operation, and the operations per second of convolutions, "rate"."""
    work()
    with Convolved() as convolved:
        uncompiled()
    assert convolved.count, "no convolution was seen"
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        for _ in range(repeats):
            work()
    spent = dict.fromkeys([*KINDS, REST], 0.0)
    for event in profiled.key_averages(group_by_input_shape=True):
        spent[kind_of(event.key, event.input_shapes, batch)] += event.self_cpu_time_total / 1e6
    whole = sum(spent.values())
    return {kind: each / whole for kind, each in spent.items()} | {
        "rate": convolved.count * repeats / spent["convolutions"]
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shares", description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="in seconds, to see that it runs")
    options = parser.parse_args()
    make_deterministic(1)
    print(f"A product of matrices: {peak_flops() / 1e9:.0f} GFLOP/s\n")
    kinds = [*KINDS, REST]
    print(f"| of one thread's time | {' | '.join(kinds)} | convolutions, GFLOP/s |\n|:--|{'--:|' * (len(kinds) + 1)}")
    # Programs that tell the profiler of their kernels are kept apart from those that other jobs take.
    apart, told = TemporaryDirectory(), config.patch({"cpp.enable_kernel_profile": True})
    with apart as folder, told, patch("adm.nets.programs.user_cache_path", return_value=Path(folder)):
        for case in cases(options.smallest):
            # To compile takes longer than all the rest of the smallest case.
            for name, work, same in works(case, compiled=cpp_compiler() is not None and not options.smallest):
                found = shares(work, same, STEPS if name == "training step" else 1, case.batch)
                cells = [f"{100 * found[kind]:.0f} %" for kind in kinds]
                print(f"| {name}, {case} | {' | '.join(cells)} | {found['rate'] / 1e9:.0f} |", flush=True)


if __name__ == "__main__":
    main()
