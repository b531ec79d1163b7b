"""`figure`: a figure of the appendix, from metrics, samples, datasets, training logs or studies."""

from pathlib import Path

from adm.params.errors import UserError
from adm.params.schema import Params
from adm.report.drawn import Sources, draw, remark
from adm.report.figures import captioned, write_figure
from adm.report.paper import caption


def run(params: Params, figure: str, paper: Path, sources: Sources, out: Path) -> None:
    """Write a figure with its caption, one of those in the folder `paper`, as `<out>.png` and `.pdf`.

    Raises:
        UserError: What the figure needs is missing, or does not fit.
    """
    words = caption(paper / "captions.yaml", figure)
    try:
        drawn = draw(params, figure, sources)
        added = remark(params, figure, sources)
    except ValueError as error:
        raise UserError(f"{figure}: {error}") from error
    name = figure.replace("_", " ").capitalize()
    write_figure(out, captioned(drawn, f"{name}: {words} {added}".strip()))
