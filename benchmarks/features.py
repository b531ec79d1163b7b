"""Features of 16 images of 64x64 through a graph with the topology of 2015's, by torch, against TensorFlow.

Run as `python -m benchmarks.features`; `--compiled` adds torch's compiler, which takes minutes first.
"""

import argparse
import runpy
import tempfile
from pathlib import Path

import numpy as np

from adm.metrics.graph import FrozenGraph
from adm.metrics.torch_graph import TorchGraph
from benchmarks.clock import paired

BATCH = 16
BUILDER = Path(__file__).parents[1] / "tests" / "metrics" / "inception_2015.py"


def main() -> None:
    """Print images a second of both on one thread, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiled", action="store_true", help="torch's executor compiled as well")
    options = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 64, 64, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pb"
        path.write_bytes(runpy.run_path(str(BUILDER))["inception_2015"]().SerializeToString())
        theirs = FrozenGraph(path)
        for compiled in (False, True) if options.compiled else (False,):
            ours = TorchGraph(path, compiled=compiled)
            seconds, their_seconds, ratio = paired(
                lambda ours=ours: ours.features(images, BATCH), lambda: theirs.features(images, BATCH), repeats=5
            )
            rates = (
                f"{BATCH / seconds:.2f} images/s, TensorFlow {BATCH / their_seconds:.2f} images/s, ratio {ratio:.2f}"
            )
            print(f"features, 2015 graph, 64x64, 1 thread: torch{', compiled' * compiled} {rates}", flush=True)


if __name__ == "__main__":
    main()
