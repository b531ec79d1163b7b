"""`throughput`: training images per second on this machine, with a naive and with this project's implementation."""

from pathlib import Path

from adm.artifacts.manifest import provenance
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.determinism import make_deterministic
from adm.machine import processor_name
from adm.nets.cost import forward_flops
from adm.params.compute import ThroughputParams
from adm.training.tasks import TrainedModelParams
from adm.training.throughput import NAIVE_PRECISION, measure


def run(throughput: ThroughputParams, model: TrainedModelParams, out: Path) -> None:
    """Measure, and write the numbers of every repetition.

    `peak_flops` is the fastest repetition's matrix product. Divided by three times `forward_flops`, it gives the
    machine's theoretical throughput.
    """
    make_deterministic(throughput.threads)
    made_by = provenance("throughput", {"throughput": throughput, "model": model}, {}, ["torch"])
    timings = measure(throughput, model)
    content = {
        "peak_flops": max(timings.peak_flops),
        "peak_flops_of_repetitions": timings.peak_flops,
        "naive": {
            "batch_size": throughput.naive_batch,
            "precision": NAIVE_PRECISION,
            "images_per_second": timings.naive,
        },
        "optimised": {
            "batch_size": throughput.optimised_batch,
            "precision": throughput.optimised_precision,
            "images_per_second": timings.optimised,
        },
        "forward_flops": forward_flops(model),
        "device": processor_name(),
        "threads": throughput.threads,
        "made_by": made_by,
    }
    with new_file(out) as path:
        write_sealed_json(path, content)
