"""`throughput`: training images per second on this machine, with a naive and with this project's implementation."""

from pathlib import Path
from typing import Any

import torch

from adm.artifacts.manifest import provenance
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.config.models import AnyModel, Precision
from adm.determinism import make_deterministic
from adm.machine import processor_name
from adm.nets.cost import forward_flops
from adm.parallel import resolve_device
from adm.params.compute import ThroughputParams
from adm.report.compute import peak_flops, utilisation
from adm.training.throughput import NAIVE_PRECISION, measure


def run(throughput: ThroughputParams, model: AnyModel, out: Path) -> None:
    """Measure, and write the numbers of every repetition.

    `peak_flops` is the fastest repetition's matrix product. Divided by three times `forward_flops`, it gives the
    machine's theoretical throughput. `mfu` is the share of the peak on a GPU's data sheet, in the precision that was
    used; it is left out where `adm.report.compute` knows no such peak, so for every CPU.
    """
    make_deterministic(throughput.threads)
    device = resolve_device(throughput.device)
    name = processor_name() if device.type == "cpu" else torch.cuda.get_device_name(device)
    flops = forward_flops(model)
    made_by = provenance("throughput", {"throughput": throughput, "model": model}, {}, ["torch"])
    timings = measure(throughput, model, device)

    def speed(batch_size: int, precision: Precision, rates: list[float]) -> dict[str, Any]:
        peak = peak_flops(name, precision) if device.type == "cuda" else None
        mfu = {"mfu": [utilisation(rate, flops, peak) for rate in rates]} if peak else {}
        return {"batch_size": batch_size, "precision": precision, "images_per_second": rates, **mfu}

    content = {
        "peak_flops": max(timings.peak_flops),
        "peak_flops_of_repetitions": timings.peak_flops,
        "naive": speed(throughput.naive_batch, NAIVE_PRECISION, timings.naive),
        "optimised": speed(throughput.optimised_batch, throughput.optimised_precision, timings.optimised),
        "forward_flops": flops,
        "device": name,
        "threads": throughput.threads,
        "made_by": made_by,
    }
    with new_file(out) as path:
        write_sealed_json(path, content)
