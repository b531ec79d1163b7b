"""Batches from stored files against batches from stored pixels.

Nothing but the loader runs: reading, decoding, cropping, conversion to float32. With several threads each makes batches
of its own. Images are synthetic JPEGs of 500x375. Files are decoded for each batch. Pixels are squares of the side that
is read, and for random crops of 1.25 times that side, so that no crop is enlarged.

Times and ratios are of the clock. How many images a second of a core makes is of the processor's time, so that other
work on the machine hardly matters: GPUs that train on r images a second together need r / v cores if that rate is v.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from adm.artifacts.manifest import provenance
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.params.data import DatasetParams
from adm.stages import prepare
from benchmarks.clock import Timing, paired

Crop = Literal["centre", "random"]
WIDTH, HEIGHT = 500, 375
BATCH = 32
GRAIN = 18
"""Standard deviation of the noise on smooth colours with which a JPEG takes about as many bytes as one of ImageNet."""


def photos(folder: Path, count: int) -> float:
    """Write JPEGs of smooth colours with grain; return their average size in bytes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        smooth = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
        grain = rng.normal(0, GRAIN, (HEIGHT, WIDTH, 3))
        pixels = (np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.jpg", quality=92)
    return statistics.mean(path.stat().st_size for path in folder.iterdir())


def store(folder: Path, **changes: object) -> Path:
    """Prepare the photos of a folder; return the artifact."""
    values = {"source": "lsun", "root": str(folder / "photos"), "num_classes": 1, **changes}
    section = DatasetParams.model_validate(values)
    out = folder / "-".join(map(str, changes.values()))
    if not out.exists():
        prepare.run(section, out, provenance("prepare", "", {"dataset": section}, {}, []))
    return out


def load(batches: Batches, threads: int, count: int) -> None:
    """Make a number of batches, `threads` at once."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(batches.at, range(count)))


def rate(batches: Batches, count: int) -> float:
    """Images that a second of one core's time makes."""
    start = time.process_time()
    load(batches, 1, count)
    return BATCH * count / (time.process_time() - start)


def cases(smallest: bool) -> Iterator[tuple[int, Crop, int]]:
    """Sides, crops and numbers of threads."""
    for side in (64,) if smallest else (64, 256):
        for crop in ("centre",) if smallest else ("centre", "random"):
            for threads in (1,) if smallest else (1, 2):
                yield side, crop, threads


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a case; theirs are pixels."""
    count, repeats = (1, 1) if smallest else (8, 7)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = photos(folder / "photos", BATCH * count)
        files = store(folder, stored="files")
        for side, crop, threads in cases(smallest):
            square = side if crop == "centre" else side * 5 // 4
            loaders = [
                Batches(images, side, BATCH, crop, flip=True, seed=0)
                for images in (ImageShards(files, side), ImageShards(store(folder, image_size=square), square))
            ]
            ours, theirs = (rate(loader, count) for loader in loaders)
            what = (
                f"loading files of {size / 1000:.0f} KB, {side}x{side}, {crop} crops, {threads} thread(s); "
                f"{ours:.0f} and {theirs:.0f} images of a core's second"
            )
            yield paired(what, "pixels", *(partial(load, loader, threads, count) for loader in loaders), repeats)
