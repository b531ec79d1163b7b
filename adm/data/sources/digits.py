"""The handwritten digits of scikit-learn."""

from typing import Any

import numpy as np

from adm.config.data import ImageSource
from adm.data.sources.source import Source


def digits(_: ImageSource) -> Source:
    """The handwritten digits of scikit-learn: 1,797 grey images of 8x8 pixels in 10 classes, as RGB.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.
    """
    # Imported here: scikit-learn takes a second to import, and only this source needs it.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bundle: Any = load_digits()
    grey = np.rint(bundle.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=-1)
    return Source("source 'digits'", bundle.target.astype(np.int64), images.__getitem__)
