"""Keys of the artifacts that tables, figures and claims are made from, looked up in a params file."""

from adm.params.claims import needs_of
from adm.params.figures import AblationsParams, NeighboursFigureParams
from adm.params.schema import Params
from adm.params.sources import Needs, keys_in


def needs_of_table(params: Params, table: str) -> Needs:
    """The artifacts that a table is made from."""
    return params.tables[table].needs()


def needs_of_figure(params: Params, figure: str) -> Needs:
    """The artifacts that a figure is made from."""
    shown = params.figures[figure]
    if isinstance(shown, AblationsParams):
        runs = shown.runs()
        checkpoints = [params.checkpoint_of(run) for run in runs]
        return Needs(metrics=runs, training=keys_in(step for point in checkpoints for step in params.chain(point)))
    if isinstance(shown, NeighboursFigureParams):
        studies = keys_in(shown.blocks.values())
        return Needs(
            studies=studies,
            samples=keys_in(params.neighbours[study].run for study in studies),
            data=keys_in(neighbours_dataset(params, study) for study in studies),
        )
    return shown.needs()


def needs_of_claims(params: Params) -> Needs:
    """The artifacts that the claims are made from."""
    return needs_of(params.claims.values())


def neighbours_dataset(params: Params, study: str) -> str:
    """The dataset in which a study looks for neighbours: that of its run's reference."""
    return params.references[params.scored[params.neighbours[study].run].reference].dataset
