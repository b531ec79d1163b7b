"""`figure`: a figure of the appendix, or one of the user's own."""

from pathlib import Path

from adm.paper import captions
from adm.params.errors import UserError
from adm.params.schema import Params
from adm.report.artwork import draw, remark
from adm.report.figures import captioned, write_figure
from adm.report.metrics import Inputs
from adm.report.tables import title


def run(params: Params, key: str, inputs: Inputs, out: Path) -> None:
    """Write a figure with its caption as `<out>.png`, `.pdf` and `.svg`.

    Args:
        params: The params file.
        key: The figure's key.
        inputs: The artifacts that `adm.params.needs.needs_of_figure` names.
        out: The path without its ending.

    Raises:
        UserError: An artifact that the figure needs is missing or does not fit.
    """
    words = params.figures[key].caption or captions()[key]
    try:
        drawn, added = draw(params, key, inputs), remark(params, key, inputs)
    except ValueError as error:
        raise UserError(f"figures.{key}: {error}") from error
    caption = f"{title(key)}: {words} {added}".strip()
    write_figure(out, captioned(drawn, caption), caption)
