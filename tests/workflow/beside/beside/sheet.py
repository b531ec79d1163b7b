"""`sheet`: the first samples of a run, in one picture."""

import numpy as np
from beside.kinds import SheetParams
from PIL import Image

from adm.artifacts.writing import new_file
from adm.sampling.batch import read_batch


def run(sheet: SheetParams, inputs, out) -> None:
    """Draw two lines of samples; `inputs` is "run"."""
    images = read_batch(inputs["run"]).images[: 2 * sheet.columns]
    lines = np.concatenate([np.concatenate(list(line), axis=1) for line in np.split(images, 2)])
    with new_file(out.with_suffix(".png")) as path, path.open("wb") as file:
        Image.fromarray(lines).save(file, "png")
