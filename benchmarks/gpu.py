"""Training and guided sampling at the paper's sizes on this machine's GPU, as a table for `docs/speed.md`.

Run as `make bench-gpu`, or as `python -m benchmarks.gpu --smallest` with the embedded scale's models, to see that it
runs. The models, their batch sizes and precisions are those of the params file; only the steps of sampling are fewer.
"""

import argparse
import time
from pathlib import Path

import torch

from adm.config.models import Precision
from adm.determinism import make_deterministic
from adm.nets.cost import forward_flops
from adm.nets.weights import build
from adm.parallel import resolve_device
from adm.params import Params, load
from adm.report.compute import A100, H100, V100, theoretical_throughput
from adm.sampling.guided import block_sampler, class_count
from adm.training.throughput import update_seconds

STEPS = "25"
"""Of sampling: a tenth of the paper's."""

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
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu: skipped, there is no GPU here")
        return
    make_deterministic(1)
    device = resolve_device("cuda")
    name = torch.cuda.get_device_name(device)
    file, models = SIZES[options.smallest]
    params = load(Path(__file__).parents[1] / file)
    print(f"{name}, torch {torch.__version__}\n\n| what | batch | precision | images/s | MFU |\n|---|---|---|---|---|")
    for model, run in models.items():
        print(training_row(params, model, name), flush=True)
        print(sampling_row(params, run, device), flush=True)


def peak_flops(driver_name: str, precision: Precision) -> float | None:
    """Look up the peak of a device in a precision, in operations per second; None if it is not known here."""
    for part, (device, tf32_flops) in KNOWN.items():
        if part in driver_name:
            return {"float32": device.single_flops, "tf32": tf32_flops}.get(precision, device.half_flops)
    return None


def training_row(params: Params, key: str, device: str) -> str:
    """A row of training: the update of the params file, on one GPU."""
    model = params.models[key]
    training = model.training
    rate = training.batch_size / update_seconds(model, "cuda")
    peak = peak_flops(device, training.precision)
    mfu = f"{rate / theoretical_throughput(forward_flops(model), peak):.1%}" if peak else "peak unknown"
    batch = f"{training.batch_size} in {training.accumulation}"
    return f"| training {key} | {batch} | {training.precision} | {rate:.1f} | {mfu} |"


def sampling_row(params: Params, key: str, device: torch.device) -> str:
    """A row of guided sampling: a block of a run, after a first one that is not timed."""
    run = params.runs[key].model_copy(update={"steps": STEPS})
    model, guide = params.models[params.model_of(run.checkpoint)], params.models[params.model_of(run.classifier)]
    networks = [build(section).to(device).eval().requires_grad_(False) for section in (model, guide)]
    sampled = block_sampler(run, model, *networks, class_count(model, guide) or 1)
    sampled(0)
    start = time.perf_counter()
    sampled(1)  # its images are on the host when it returns
    rate = run.micro_batch / (time.perf_counter() - start)
    precision = f"{run.precision}, classifier {run.classifier_precision}"
    return f"| guided sampling {key}, {STEPS} steps | {run.micro_batch} | {precision} | {rate:.2f} | |"


if __name__ == "__main__":
    main()
