"""Features of images of 64x64 through a graph with the topology of 2015's, by torch, against TensorFlow.

Run as `python -m benchmarks.features`; `--compiled` adds torch's compiler, which takes minutes first.
"""

import argparse
import runpy
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from adm.metrics.graph import FrozenGraph
from adm.metrics.torch_graph import TorchGraph
from benchmarks.clock import paired

BUILDER = Path(__file__).parents[1] / "tests" / "metrics" / "inception_2015.py"


def main() -> None:
    """Print milliseconds of both, and the ratio; theirs is TensorFlow."""
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
            timing = paired(partial(ours.features, images, batch), partial(theirs.features, images, batch), repeats)
            print(f"features, 2015 graph, {batch} of 64x64, torch{', compiled' * compiled}: {timing}", flush=True)


if __name__ == "__main__":
    main()
