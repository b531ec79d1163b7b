"""What each table, each figure and the claims are made from, resolved to keys of artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adm.params.claims import interpolations_of, neighbours_of, runs_of, throughputs_of
from adm.params.report import AblationParams, Needs, NeighboursFigureParams, keys_in

if TYPE_CHECKING:
    from adm.params.file import Params


def needs_of_table(params: Params, table: str) -> Needs:
    """What a table is made from."""
    found: Needs = getattr(params.tables, table).needs()
    return found


def needs_of_figure(params: Params, figure: str) -> Needs:
    """What a figure is made from."""
    shown = params.figure(figure)
    if isinstance(shown, AblationParams):
        runs = shown.runs()
        checkpoints = [params.checkpoint_of(run) for run in runs]
        return Needs(metrics=runs, training=keys_in(step for point in checkpoints for step in params.chain(point)))
    if isinstance(shown, NeighboursFigureParams):
        studies = keys_in(shown.blocks.values())
        pairs = [params.neighbours[study] for study in studies]
        return Needs(
            studies=studies,
            samples=keys_in(pair.run for pair in pairs),
            data=keys_in(pair.dataset for pair in pairs),
        )
    found: Needs = shown.needs()
    return found


def needs_of_claims(params: Params) -> Needs:
    """What the claims are made from."""
    claims = params.claims.values()
    return Needs(
        metrics=keys_in(run for claim in claims for run in runs_of(claim)),
        studies=keys_in(study for claim in claims for study in (*interpolations_of(claim), *neighbours_of(claim))),
        throughput=keys_in(key for claim in claims for key in throughputs_of(claim)),
        sizes=True,
    )
