"""Training and sampling at the paper's sizes on this machine's GPU, as tables for `docs/speed.md`.

Run as `make gpu`, after the tests that need one. `python -m benchmarks.gpu --smallest --device cpu` takes the embedded
scale's models, to see that it runs. The models, their batch sizes and precisions are those of the params file; only the
steps of sampling are fewer. Compiled programs are compared with eager ones, and normalisations of feature maps that are
channels last with contiguous ones.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adm.config.models import Precision
from adm.determinism import make_deterministic
from adm.nets.cost import network_cost
from adm.nets.forward import DTYPES
from adm.nets.layers import GroupNorm
from adm.nets.weights import build
from adm.parallel import resolve_device
from adm.params import Params, load
from adm.report.compute import A100, H100, V100, theoretical_throughput
from adm.sampling.guided import block_sampler, block_trajectories, class_count
from adm.training.throughput import update_seconds

STEPS = "25"
"""Of sampling: a tenth of the paper's."""

TURNS = 6
"""Of a normalisation; the first does not count."""

SIZES = {
    False: ("scales/paper/params.yaml", {"adm-64": "base-64-540k", "adm-256": "adm-256-1980k"}),
    True: ("params.yaml", {"adm-128": "scale-2"}),
}
"""The params file, and its models with a guided run of each; by whether the smallest are asked for."""

KNOWN = {"V100-SXM2": (V100, 15.7e12), "A100": (A100, 156.0e12), "H100 80GB HBM3": (H100, 494.5e12)}
"""Devices, and their peaks in TensorFloat-32, by a part of their driver's name for them that no slower model has.

Source: data sheets by NVIDIA; a V100 has the peak of float32.
"""


def main() -> None:
    """Print a row for each model's training and sampling, or one line where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="the embedded scale's models")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--eager", action="store_true", help="leave out compiled programs, which need a C++ compiler")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("gpu: skipped, there is no GPU here")
        return
    make_deterministic(1)
    device = resolve_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    file, models = SIZES[options.smallest]
    params = load(Path(__file__).parents[1] / file)
    print(f"{name}, torch {torch.__version__}\n\n| what | batch | precision | images/s | MFU |\n|---|---|---|---|---|")
    for model, run in models.items():
        print(training_row(params, model, device, name), flush=True)
        for compiled in (False,) if options.eager else (False, True):
            for guided in (False, True):
                print(sampling_row(params, run, device, guided, compiled), flush=True)
    print("\n| normalisation, forward and backward | contiguous, ms | channels last, ms | ratio |\n|---|---|---|---|")
    for model in models:
        for row in normalisation_rows(params.models[model], device):
            print(row, flush=True)


def peak_flops(driver_name: str, precision: Precision) -> float | None:
    """Look up the peak of a device in a precision, in operations per second; None if it is not known here."""
    for part, (device, tf32_flops) in KNOWN.items():
        if part in driver_name:
            return {"float32": device.single_flops, "tf32": tf32_flops}.get(precision, device.half_flops)
    return None


def training_row(params: Params, key: str, device: torch.device, name: str) -> str:
    """A row of training: the update of the params file, on one GPU."""
    model = params.models[key]
    training = model.training
    rate = training.batch_size / update_seconds(model, device.type)
    peak = peak_flops(name, training.precision)
    mfu = f"{rate / theoretical_throughput(network_cost(model).flops, peak):.1%}" if peak else "peak unknown"
    batch = f"{training.batch_size} in {training.accumulation}"
    return f"| training {key} | {batch} | {training.precision} | {rate:.1f} | {mfu} |"


def sampling_row(params: Params, key: str, device: torch.device, guided: bool, compiled: bool) -> str:
    """A row of sampling: a block of a run, after a first one that is not timed."""
    scale = params.runs[key].gradient_scale if guided else 0.0
    run = params.runs[key].model_copy(update={"steps": STEPS, "compiled": compiled, "gradient_scale": scale})
    model, guide = params.models[params.model_of(run.checkpoint)], params.models[params.model_of(run.classifier)]
    network, classifier = (build(section).to(device).eval().requires_grad_(False) for section in (model, guide))
    sampled = block_sampler(
        block_trajectories(run, model, network, classifier if guided else None, class_count(model, guide) or 1)
    )
    sampled(0)
    start = time.perf_counter()
    sampled(1)  # its images are on the host when it returns
    rate = run.micro_batch / (time.perf_counter() - start)
    what = f"{'guided ' * guided}sampling {key}, {STEPS} steps{', compiled' * compiled}"
    precision = run.precision + f", classifier {run.classifier_precision}" * guided
    return f"| {what} | {run.micro_batch} | {precision} | {rate:.2f} | |"


def normalisation_rows(model: Any, device: torch.device) -> Iterator[str]:
    """Time the normalisation of each level of a network in both layouts, in the precision and batch of its training."""
    network, training = model.network, model.training
    dtype, batch = DTYPES.get(training.precision, torch.float32), training.batch_size // training.accumulation
    for level, multiplier in enumerate(network.channel_multiplier):
        side, channels = network.image_size >> level, int(network.channels * multiplier)
        norm = GroupNorm(channels, network.groups).to(device)
        maps = torch.randn(batch, channels, side, side, device=device, dtype=dtype)

        def seconds(layout: torch.memory_format, norm: GroupNorm = norm, maps: Tensor = maps) -> float:
            x = maps.to(memory_format=layout).requires_grad_()
            taken = []
            for _ in range(TURNS):
                start = time.perf_counter()
                norm(x).sum().backward()
                if x.is_cuda:
                    torch.cuda.synchronize()
                taken.append(time.perf_counter() - start)
            return 1e3 * statistics.median(taken[1:])

        contiguous, last = seconds(torch.contiguous_format), seconds(torch.channels_last)
        shape = "x".join(map(str, maps.shape))
        yield f"| {shape}, {training.precision} | {contiguous:.3f} | {last:.3f} | {last / contiguous:.2f} |"


if __name__ == "__main__":
    main()
