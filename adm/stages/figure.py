"""`figure`: a figure of the appendix, from metrics, samples, datasets, training logs or studies."""

from pathlib import Path

from adm.params.errors import UserError
from adm.params.file import Params
from adm.report.drawn import Sources, draw
from adm.report.figures import write_figure


def run(params: Params, figure: str, sources: Sources, out: Path) -> None:
    """Write a figure as `<out>.png` and `.pdf`.

    Raises:
        UserError: What the figure needs is missing, or does not fit.
    """
    try:
        drawn = draw(params, figure, sources)
    except ValueError as error:
        raise UserError(f"{figure}: {error}") from error
    write_figure(out, drawn)
