"""The sample batch as an artifact: `samples.npz` with `arr_0` (N, H, W, 3) uint8 and `arr_1` (N,) int64 labels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import EVERY, fingerprint, provenance, read_manifest, write_manifest
from adm.artifacts.reading import Shape, read_npz
from adm.artifacts.writing import new_file, new_folder, write_npz
from adm.params.errors import UserError
from adm.params.runs import SamplingParams
from adm.params.section import Section
from adm.sampling.blocks import Shard, samples_of

SAMPLES = "samples.npz"

SAMPLERS = ("sample", "sample_gan", "adopt")
"""The stages that make sample batches."""

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def write_batch(out: Path, stage: str, run: Section, inputs: dict[str, Path], images: Images, labels: Labels) -> None:
    """Write a whole run, made by `stage`; its bytes do not tell whether shards were gathered."""
    made_by = _made_by(stage, run, inputs)
    with new_folder(out) as folder:
        write_npz(folder / SAMPLES, arr_0=images, arr_1=labels)
        write_manifest(folder, made_by, {"num_samples": len(images)})


def read_batch(folder: Path, checked: slice = EVERY) -> tuple[Images, Labels]:
    """Read a whole run: images (N, H, W, 3) and labels (N,).

    Args:
        folder: The run's artifact.
        checked: Which files to look into, where others look into the rest; see `read_manifest`.

    Raises:
        UserError: The folder holds no sample batch, or it changed.
    """
    read_manifest(folder, *SAMPLERS, checked=checked)
    arrays = read_npz(folder / SAMPLES, {"arr_0": ("uint8", (None, None, None, 3)), "arr_1": ("int64", (None,))})
    return arrays["arr_0"], arrays["arr_1"]


def write_shard(out: Path, run: Section, inputs: dict[str, Path], shard: Shard, images: Images, labels: Labels) -> None:
    """Write a part of a run; `made_by` tells which part, and of which run."""
    with new_file(out) as path:
        write_npz(path, arr_0=images, arr_1=labels, made_by=_fingerprint(run, inputs, shard))


def read_shard(path: Path, run: SamplingParams, inputs: dict[str, Path], shard: Shard) -> tuple[Images, Labels]:
    """Read a part of a run.

    Raises:
        UserError: The file is no such part: another one, or of another run, of other checkpoints, or of other code.
    """
    count = len(samples_of(shard, run.num_samples, run.micro_batch))
    expected: dict[str, tuple[str, Shape]] = {
        "arr_0": ("uint8", (count, None, None, 3)),
        "arr_1": ("int64", (count,)),
        "made_by": ("uint8", (None,)),
    }
    arrays = read_npz(path, expected)
    if not np.array_equal(arrays["made_by"], _fingerprint(run, inputs, shard)):
        raise UserError(
            f"{path}: is not shard {shard} of this run: it is another one, or was sampled by another run, from other "
            "checkpoints or by other code; sample it again"
        )
    return arrays["arr_0"], arrays["arr_1"]


def _fingerprint(run: Section, inputs: dict[str, Path], shard: Shard) -> NDArray[np.uint8]:
    # Shards of equal length differ in nothing else that can be checked.
    made_by = {**_made_by("sample", run, inputs), "shard": str(shard)}
    return np.frombuffer(fingerprint(made_by).encode(), np.uint8)


def _made_by(stage: str, run: Section, inputs: dict[str, Path]) -> dict[str, Any]:
    return provenance(stage, {"run": run}, inputs, ["torch"])
