"""`figure`: a figure of the appendix, or one of the user's own."""

from pathlib import Path

from adm.artifacts.manifest import MadeBy
from adm.errors import about
from adm.paper import captions
from adm.params.figures import AnyFigureParams
from adm.params.schema import Sections
from adm.report.artwork import ARTISTS
from adm.report.figures import captioned, write_figure
from adm.report.metrics import Inputs
from adm.report.tables import title


def run(
    key: str, figure: AnyFigureParams, read: Sections, artifacts: Inputs, out: Path, made_by: MadeBy, names: str = ""
) -> None:
    """Write a figure with its caption as `<out>.png`, `.pdf` and `.svg`, and its record as `.json`.

    Arguments are those of `adm.stages.table.run`.

    Raises:
        UserError: An artifact that the figure needs is missing or does not fit.
    """
    words = figure.caption or captions()[key]
    with about(f"figures.{key}"):
        drawn, remark = ARTISTS[figure.kind](read, figure, artifacts)
    caption = " ".join(filter(None, (f"{title(key)}: {words}", names, remark)))
    write_figure(out, captioned(drawn, caption), caption, made_by)
