"""Features of images of 64x64 through a graph with the topology of 2015's, by torch, against TensorFlow.

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

BUILDER = Path(__file__).parents[1] / "tests" / "metrics" / "inception_2015.py"


def main() -> None:
    """Print images a second of both on one thread, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiled", action="store_true", help="torch's executor compiled as well")
    parser.add_argument("--smallest", action="store_true", help="one image, timed once")
    options = parser.parse_args()
    batch, repeats = (1, 1) if options.smallest else (16, 5)
    images = np.random.default_rng(0).integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pb"
        path.write_bytes(runpy.run_path(str(BUILDER))["inception_2015"]().SerializeToString())
        theirs = FrozenGraph(path)
        for compiled in (False, True) if options.compiled else (False,):
            ours = TorchGraph(path, compiled=compiled)
            seconds, their_seconds, ratio = paired(
                lambda ours=ours: ours.features(images, batch), lambda: theirs.features(images, batch), repeats
            )
            rates = (
                f"{batch / seconds:.3g} images/s, TensorFlow {batch / their_seconds:.3g} images/s, ratio {ratio:.2f}"
            )
            print(f"features, 2015 graph, 64x64, 1 thread: torch{', compiled' * compiled} {rates}", flush=True)


if __name__ == "__main__":
    main()
