"""Sources of labelled images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The handwritten digits that scikit-learn ships: 1,797 images of 8x8 pixels in 10 classes.

    Returns:
        Images (1797, 8, 8, 3) uint8, grey as RGB, and labels (1797,) int64.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.
    """
    # Imported here: scikit-learn takes a second to start and only this source needs it.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bundle: Any = load_digits()
    grey = np.rint(bundle.images * (255 / 16)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), bundle.target.astype(np.int64)


SOURCES = {"digits": digits}
