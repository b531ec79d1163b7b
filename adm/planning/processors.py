"""Time on processors while no accelerator computes: decoding, fitting and measuring distances."""

from adm.metrics.fid_infinity import SIZES
from adm.metrics.jackknife import PARTS, num_parts, sets_left_out
from adm.params.data import DatasetParams
from adm.planning.devices import DECODING, RESIZING

EIGENVALUES = 3.15
"""Operations for the eigenvalues of a symmetric matrix, as a multiple of its side cubed; derived from the time on the
processor of `adm.planning.devices.FLOPS_OF_A_THREAD`."""


def reading_seconds(dataset: DatasetParams) -> float:
    """Seconds of one core to decode an image file and to crop the image, if it is, to the dataset's side."""
    return DECODING + RESIZING * (dataset.image_size or 0) ** 2


def evaluation_flops(samples: int, real: int, width: int, spatial: int) -> float:
    """Float64 operations of an evaluation; float32 operations count half.

    Args:
        samples: Number of images of the batch.
        real: Number of images of the reference.
        width: Number of an image's pooled features.
        spatial: Number of an image's spatial features.
    """
    kernels = (samples**2 + real**2 + 2 * samples * real) * width
    # Of recall, neighbours and balls are computed once more, for halves of the samples.
    manifolds = (2 * samples**2 + 2 * real**2 + 10 * samples * real) * width / 2
    fits = samples * (width**2 + spatial**2) + EIGENVALUES * (width**3 + spatial**3)
    subsets = SIZES * (0.55 * samples * width**2 + EIGENVALUES * width**3)
    # Sets of parts are left out of FID, and each part of every subset of FID-infinity; sums of two parts of the samples
    # are computed anew for each set.
    sets, lines = len(sets_left_out(samples)), SIZES * num_parts(samples)
    left_out = sets * (4 / PARTS * samples * width**2 + EIGENVALUES * width**3)
    left_out += lines * (2.2 / PARTS * samples * width**2 + EIGENVALUES * width**3)
    return kernels + manifolds + fits + subsets + left_out
