"""`sheet`: the first samples of a run, in one picture."""

from io import BytesIO

import numpy as np
from beside.kinds import SheetParams
from PIL import Image

from adm.report.shown import write_shown
from adm.sampling.batch import read_batch


def run(sheet: SheetParams, inputs, out, made_by) -> None:
    """Draw two lines of samples; `inputs` is "run"."""
    images = read_batch(inputs["run"]).images[: 2 * sheet.columns]
    lines = np.concatenate([np.concatenate(list(line), axis=1) for line in np.split(images, 2)])
    drawn = BytesIO()
    Image.fromarray(lines).save(drawn, "png")
    write_shown(out, {".png": drawn.getvalue()}, made_by)
