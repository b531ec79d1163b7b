"""What the studies of single figures pass on: interpolations, neighbours, variations of guidance, likelihoods."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import provenance, read_manifest, require_params, write_manifest
from adm.artifacts.reading import Shape, read_npz
from adm.artifacts.writing import new_folder, write_npz
from adm.params.errors import UserError
from adm.params.runs import RunParams
from adm.params.section import Section
from adm.params.studies import InterpolationParams, LikelihoodParams, NeighboursParams, VariationParams

INTERPOLATION = "interpolation.npz"
NEIGHBOURS = "neighbours.npz"
VARIATION = "variation.npz"
LIKELIHOOD = "likelihood.npz"

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Rows of images between pairs of real ones, and errors of reconstruction.

    Attributes:
        originals: (pairs, 2, H, W, 3) uint8, the real images.
        images: (pairs, points, H, W, 3) uint8, from the first one's reconstruction to the second one's.
        labels: (pairs, 2) int64, of the real images.
        error_all_but_last: (N,) float64, mean squared errors in units of [-1, 1] over all steps but the last.
        error_all: (N,) float64, of the same images, over all steps.
    """

    originals: NDArray[np.uint8]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    error_all_but_last: NDArray[np.float64]
    error_all: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The images of a dataset that are nearest to each sample, by pooled features.

    Attributes:
        indices: (M, k) int64, into the dataset's training images, the nearest first.
        distances: (M, k) float64, Euclidean.
        dataset_distances: (N,) float64, from each image of the dataset to the nearest other one.
        pixel_copies: (M,) bool, whether a sample is its nearest image byte for byte.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    dataset_distances: NDArray[np.float64]
    pixel_copies: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Variation:
    """The same seeds at several gradient scales.

    Attributes:
        images: (M, len(scales), H, W, 3) uint8, a seed a row.
        scales: (len(scales),) float64, increasing.
        labels: (M,) int64.
    """

    images: NDArray[np.uint8]
    scales: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Bits per dimension of images, and the terms of L_vlb that they are the sum of.

    Attributes:
        timesteps: (S,) int64, those of the training process that were visited, increasing.
        vlb: (S,) float64, the term of each timestep in bits per dimension, the mean over the images.
        x_0_mse: (S,) float64, likewise the mean squared error of the predicted x_0, in units of [-1, 1].
        eps_mse: (S,) float64, that of the eps which goes with it.
        indices: (N,) int64, the images, into their part of the dataset, increasing.
        labels: (N,) int64, of the images.
        bits: (N,) float64, each image's bits per dimension: its terms and its prior.
        prior: (N,) float64, L_T of each image, in bits per dimension.
    """

    timesteps: NDArray[np.int64]
    vlb: NDArray[np.float64]
    x_0_mse: NDArray[np.float64]
    eps_mse: NDArray[np.float64]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    bits: NDArray[np.float64]
    prior: NDArray[np.float64]

    @property
    def standard_error(self) -> float:
        """That of the mean of `bits` over images."""
        return float(self.bits.std(ddof=1) / len(self.bits) ** 0.5)


def write_interpolation(
    out: Path, section: InterpolationParams, inputs: Mapping[str, Path], study: Interpolation
) -> None:
    """Write an interpolation and the means of its errors."""
    made_by = provenance("interpolate", {"interpolation": section}, inputs, ["torch"])
    names = ("error_all_but_last", "error_all")
    facts = {name: float(getattr(study, name).mean()) for name in names}
    _write(out / INTERPOLATION, made_by, facts, study)


def read_interpolation(folder: Path, section: InterpolationParams) -> Interpolation:
    """Read an interpolation that was made with `section`.

    Raises:
        UserError: The folder holds none, it changed, its section is another, or its arrays do not fit one another.
    """
    sections = {"interpolation": section}
    expected: dict[str, tuple[str, Shape]] = {
        "originals": ("uint8", (None, 2, None, None, 3)),
        "images": ("uint8", (None, None, None, None, 3)),
        "labels": ("int64", (None, 2)),
        "error_all_but_last": ("float64", (None,)),
        "error_all": ("float64", (None,)),
    }
    paired = ["originals", "images", "labels"]
    return Interpolation(**_read(folder / INTERPOLATION, "interpolate", sections, expected, paired))


def write_neighbours(out: Path, section: NeighboursParams, inputs: Mapping[str, Path], study: Neighbours) -> None:
    """Write the nearest neighbours of a sample batch and how many samples are copies."""
    made_by = provenance("neighbours", {"neighbours": section}, inputs, ["numpy"])
    facts = {"num_samples": len(study.indices), "pixel_copies": int(study.pixel_copies.sum())}
    _write(out / NEIGHBOURS, made_by, facts, study)


def read_neighbours(folder: Path, section: NeighboursParams) -> Neighbours:
    """Read the nearest neighbours of a sample batch, found with `section`.

    Raises:
        UserError: The folder holds none, it changed, its section is another, or its arrays do not fit one another.
    """
    sections = {"neighbours": section}
    expected: dict[str, tuple[str, Shape]] = {
        "indices": ("int64", (None, None)),
        "distances": ("float64", (None, None)),
        "dataset_distances": ("float64", (None,)),
        "pixel_copies": ("bool", (None,)),
    }
    paired = ["indices", "distances", "pixel_copies"]
    return Neighbours(**_read(folder / NEIGHBOURS, "neighbours", sections, expected, paired))


def write_variation(
    out: Path, section: VariationParams, run: RunParams, inputs: Mapping[str, Path], study: Variation
) -> None:
    """Write a variation of the gradient scale."""
    made_by = provenance("vary", {"variation": section, "run": run}, inputs, ["torch"])
    _write(out / VARIATION, made_by, {"num_samples": len(study.images)}, study)


def read_variation(folder: Path, section: VariationParams, run: RunParams) -> Variation:
    """Read a variation of the gradient scale that was made with `section` and `run`.

    Raises:
        UserError: The folder holds none, it changed, a section is another, or its arrays do not fit one another.
    """
    sections = {"variation": section, "run": run}
    expected: dict[str, tuple[str, Shape]] = {
        "images": ("uint8", (None, None, None, None, 3)),
        "scales": ("float64", (None,)),
        "labels": ("int64", (None,)),
    }
    return Variation(**_read(folder / VARIATION, "vary", sections, expected, ["images", "labels"]))


def write_likelihood(out: Path, section: LikelihoodParams, inputs: Mapping[str, Path], study: Likelihood) -> None:
    """Write a likelihood and its mean over images."""
    made_by = provenance("likelihood", {"likelihood": section}, inputs, ["torch"])
    facts = {
        "bits_per_dimension": float(study.bits.mean()),
        "standard_error": study.standard_error,
        "prior": float(study.prior.mean()),
        "num_images": len(study.bits),
        "num_timesteps": len(study.timesteps),
    }
    _write(out / LIKELIHOOD, made_by, facts, study)


def read_likelihood(folder: Path, section: LikelihoodParams) -> Likelihood:
    """Read a likelihood that was measured with `section`.

    Raises:
        UserError: The folder holds none, it changed, its section is another, or its arrays do not fit one another.
    """
    sections = {"likelihood": section}
    of_timesteps, of_images = ["timesteps", "vlb", "x_0_mse", "eps_mse"], ["indices", "labels", "bits", "prior"]
    expected: dict[str, tuple[str, Shape]] = {
        name: ("int64" if name in ("timesteps", "indices", "labels") else "float64", (None,))
        for name in [*of_timesteps, *of_images]
    }
    return Likelihood(**_read(folder / LIKELIHOOD, "likelihood", sections, expected, of_timesteps, of_images))


def _write(
    path: Path,
    made_by: dict[str, Any],
    facts: Mapping[str, Any],
    study: Interpolation | Neighbours | Variation | Likelihood,
) -> None:
    with new_folder(path.parent) as folder:
        write_npz(folder / path.name, **vars(study))
        write_manifest(folder, made_by, facts)


def _read(
    path: Path,
    stage: str,
    sections: Mapping[str, Section],
    expected: Mapping[str, tuple[str, Shape]],
    *paired: list[str],
) -> dict[str, Array]:
    """Read arrays of a stage's artifact that was made with these sections; `paired` ones must be of one length."""
    require_params(path.parent, read_manifest(path.parent, stage).model_dump(), sections)
    arrays = read_npz(path, expected)
    for names in paired:
        lengths = {name: len(arrays[name]) for name in names}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise UserError(f"{path}: its arrays differ in length: {found}")
    return arrays
