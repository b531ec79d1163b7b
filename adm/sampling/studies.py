"""Artifacts of the studies: interpolations, neighbours, likelihoods."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import MadeBy, read_manifest, write_manifest
from adm.artifacts.reading import read_arrays, readable
from adm.artifacts.writing import new_folder
from adm.errors import NotFiniteError


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Images between pairs of real images, and errors of reconstruction.

    Attributes:
        originals: (pairs, 2, H, W, 3) uint8, the real images.
        images: (pairs, points, H, W, 3) uint8, from the reconstruction of the first to that of the second.
        labels: (pairs, 2) int64, of the real images.
        error_all_but_last: (N,) float64, mean squared errors in units of [-1, 1] of images that were encoded over all
            steps but the last, and decoded over all.
        error_all: (N,) float64, errors of the same images, encoded over all steps.
        error_skipped: (N,) float64, errors of the same images where decoding skips the last step, too.
    """

    originals: NDArray[np.uint8]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    error_all_but_last: NDArray[np.float64]
    error_all: NDArray[np.float64]
    error_skipped: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The images of a dataset that are nearest to each sample, by pooled features.

    Attributes:
        indices: (M, k) int64, indices of the dataset's training images, the nearest first.
        distances: (M, k) float64, Euclidean.
        dataset_distances: (N,) float64, from each image of the dataset to the nearest other one.
        pixel_copies: (M,) bool, whether a sample equals its nearest image byte for byte.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    dataset_distances: NDArray[np.float64]
    pixel_copies: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Bits per dimension of images, and the terms of L_vlb that add up to them.

    Attributes:
        timesteps: (S,) int64, the timesteps of the training process that were visited, increasing.
        vlb: (S,) float64, the term of each timestep in bits per dimension, averaged over the images.
        indices: (N,) int64, indices of the images in their part of the dataset, increasing.
        labels: (N,) int64, of the images.
        bits: (N,) float64, each image's bits per dimension: the sum of its terms and its prior.
        prior: (N,) float64, L_T of each image, in bits per dimension.
        losses: (N,) float64, each image's loss of training, the mean over the timesteps.
    """

    timesteps: NDArray[np.int64]
    vlb: NDArray[np.float64]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    bits: NDArray[np.float64]
    prior: NDArray[np.float64]
    losses: NDArray[np.float64]

    @property
    def standard_error(self) -> float:
        """The standard error of the mean of `bits` over the images."""
        return float(self.bits.std(ddof=1) / len(self.bits) ** 0.5)


Study = TypeVar("Study", Interpolation, Neighbours, Likelihood)
"""A kind of study; its artifact holds the arrays in an npz that has the name of the class."""


def write_study(out: Path, study: Study, made_by: MadeBy) -> None:
    """Write the artifact of a study.

    Raises:
        NotFiniteError: A number is NaN or infinite.
    """
    if bad := [name for name, values in vars(study).items() if not np.isfinite(values).all()]:
        raise NotFiniteError(f"{out}: its {bad[0]} hold NaN or infinity")
    with new_folder(out) as folder:
        np.savez(folder / _file(type(study)), **vars(study))
        write_manifest(folder, made_by)


def read_study(kind: type[Study], folder: Path) -> Study:
    """Read a study of a kind; the manifest tells that its arrays are those that were written.

    Raises:
        UserError: The folder holds no such study, or it changed.
    """
    read_manifest(folder)
    with readable(folder, f"holds no {kind.__name__.lower()} as this version writes it"):
        arrays = read_arrays(folder / _file(kind))
        return kind(**{name: arrays[name] for name in kind.__annotations__})


def _file(kind: type[Study]) -> str:
    return f"{kind.__name__.lower()}.npz"
