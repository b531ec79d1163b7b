"""Peak memory of every stage that goes through many images, at N of them and at 4 N, and what an image adds.

Run as `python -m benchmarks.memory`. Each stage is a process of its own, as an engine starts it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

SIDE = 32
"""Side of the images: one has 3,072 bytes, and its features 2,540."""

FACTOR = 4
"""The larger number of images divided by the smaller."""

KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20

STAGES = {
    "prepare": ("prepare photos", 1.0),
    "extractor": ("extractor photos", None),
    "features": ("features dataset/photos", 1.0),
    "reference": ("reference photos", 1.0),
    "init": ("init model", None),
    "sample": ("sample run", 1.0),
    "features of the run": ("features run", None),
    "features of the reference": ("features reference/photos", None),
    "evaluate": ("evaluate run", 1.0),
    "neighbours": ("neighbours run", 1.0),
}
"""The command line of each stage, in order, and the share of the N images that it goes through; None: not measured."""

FIRST = 1
"""Number of stages of the smallest run: the others wait for an extractor, which takes most of the time."""


def params_of(photos: Path, count: int) -> dict[str, object]:
    """A params file in which everything has as many images, and networks are small and untrained."""
    network = {"image_size": SIDE, "channels": 32, "channel_multiplier": [1], "depth": 1, "heads": 1}
    return {
        "datasets": {
            "photos": {
                "source": "folder",
                "root": str(photos),
                "image_size": SIDE,
                "num_classes": 1,
                "shard_size": 256,
            }
        },
        "extractors": {
            "photos": {"dataset": "photos", "side": 36, "learns": "rotations", "iterations": 1, "least_accuracy": 0}
        },
        "models": {
            "model": {
                "kind": "diffusion",
                "dataset": "photos",
                "checkpoints": [1],
                "network": network,
                "noise": {"schedule": "linear"},
                "training": {"batch_size": 1, "learning_rate": 1.0e-4},
            }
        },
        "references": {"photos": {"dataset": "photos", "extractor": "photos", "num_images": count}},
        "runs": {"run": {"checkpoint": "model-0", "steps": "1", "num_samples": count, "reference": "photos"}},
        "neighbours": {"run": {"run": "run"}},
    }


def peak_of(words: str, folder: Path) -> int:
    """Run a verb, and return the most memory that its process had, in bytes.

    Raises:
        CalledProcessError: The verb failed.
    """
    command = [sys.executable, "-m", "adm", *words.split()]
    with subprocess.Popen(command, cwd=folder) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss * KIBIBYTE


def peaks_of(count: int, stages: Collection[str] = STAGES) -> dict[str, int]:
    """The peak of every measured stage with so many images, in bytes."""
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = folder / "photos" / "all"
        photos.mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photos / f"{number:06d}.png")
        (folder / "params.yaml").write_text(yaml.safe_dump(params_of(photos.parent, count)))
        peaks = {stage: peak_of(STAGES[stage][0], folder) for stage in stages}
    return {stage: peak for stage, peak in peaks.items() if STAGES[stage][1] is not None}


def main() -> None:
    """Print a row a stage: the peak at both numbers of images, and the bytes that an image adds to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000, help=f"N (default: 4000); then {FACTOR} N")
    parser.add_argument("--smallest", action="store_true", help="16 images, and the first stage alone")
    options = parser.parse_args()
    count = 16 if options.smallest else options.images
    stages = [*STAGES][: FIRST if options.smallest else None]
    fewer, more = peaks_of(count, stages), peaks_of(FACTOR * count, stages)
    print(f"| Stage | MiB of {count:,} | MiB of {FACTOR * count:,} | Bytes an image adds |")
    print("|:--|--:|--:|--:|")
    for stage in fewer:
        share = STAGES[stage][1]
        assert share is not None
        added = (more[stage] - fewer[stage]) / ((FACTOR - 1) * count * share)
        print(f"| {stage} | {fewer[stage] / MEBIBYTE:.1f} | {more[stage] / MEBIBYTE:.1f} | {added:.0f} |")


if __name__ == "__main__":
    main()
