"""`throughput`: training images per second on this machine, with a naive and with this project's implementation."""

from pathlib import Path
from typing import Any

import torch

from adm.artifacts.manifest import MadeBy
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.config.models import AnyModel
from adm.determinism import make_deterministic
from adm.machine import processor_name
from adm.nets.cost import network_cost
from adm.parallel import resolve_device
from adm.params.runs import ThroughputParams
from adm.training.throughput import measure


def run(throughput: ThroughputParams, model: AnyModel, out: Path, made_by: MadeBy) -> None:
    """Measure, and write the numbers of every repetition.

    `peak_flops` is the fastest repetition's matrix product. Divided by three times `forward_flops`, it gives the
    machine's theoretical throughput.
    """
    make_deterministic(throughput.threads)
    device = resolve_device(throughput.device)
    timings = measure(throughput, model, device)

    def speed(name: str, batch_size: int) -> dict[str, Any]:
        return {"batch_size": batch_size, "precision": throughput.precision, "images_per_second": timings[name]}

    content = {
        "peak_flops": max(timings["peak_flops"]),
        "peak_flops_of_repetitions": timings["peak_flops"],
        "naive": speed("naive", throughput.naive_batch),
        "optimised": speed("optimised", throughput.optimised_batch),
        "forward_flops": network_cost(model).flops,
        "device": processor_name() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": throughput.threads,
        "made_by": made_by,
    }
    with new_file(out) as path:
        write_sealed_json(path, content)
