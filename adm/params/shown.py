"""Checks of what is shown: every run, study and model of a table, a figure or a claim resolves and fits."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from adm.params.claims import (
    BeatsEarlyClaim,
    ClaimParams,
    ReconstructionOrderClaim,
    interpolations_of,
    models_of,
    neighbours_of,
    runs_of,
    throughputs_of,
)
from adm.params.keys import check_class, check_known, network_of
from adm.params.needs import needs_of_figure, needs_of_table
from adm.params.report import FIGURES, TABLES, Needs, keys_in

if TYPE_CHECKING:
    from adm.params.file import Params


def check_shown(params: Params) -> None:
    """Check tables, figures and claims.

    Raises:
        ValueError: Names the key, the value and what is accepted.
    """
    _check_tables(params)
    _check_figures(params)
    for key, claim in params.claims.items():
        _check_claim(params, f"claims.{key}", claim)


def _check_tables(params: Params) -> None:
    for table in TABLES:
        _check_needs(params, f"tables.{table}", needs_of_table(params, table))
    for table in ("table_11", "table_12", "table_13"):
        for model in keys_in(getattr(params.tables, table).columns):
            network_of(params, model, f"tables.{table}.columns")
    # What these print is a run's alone: guidance.
    for place, sources in {
        "tables.table_14.ddpm": params.tables.table_14.ddpm,
        "tables.table_14.ddim": params.tables.table_14.ddim,
        "tables.appendix_k.rows": params.tables.appendix_k.rows,
    }.items():
        for run in keys_in(sources):
            check_known(params.runs, run, place, "runs")


def _check_figures(params: Params) -> None:
    _check_shown_runs(params)
    _check_shown_studies(params)
    for figure in FIGURES:
        place = f"figures.{params.figures.kind_of(figure)}.{figure}"
        _check_needs(params, place, needs_of_figure(params, figure))
    for figure, grid in params.figures.class_grids.items():
        reference = params.references.get(params.scored[grid.run].reference)
        if reference is not None:
            for number in grid.classes:
                check_class(
                    f"figures.class_grids.{figure}.classes", number, params.datasets[reference.dataset].num_classes
                )


def _check_shown_runs(params: Params) -> None:
    # The axes of these are a run's alone: its training time, its temperature.
    for figure, ablation in params.figures.ablations.items():
        for run in ablation.runs():
            check_known(params.runs, run, f"figures.ablations.{figure}", "runs")
    for figure, curves in params.figures.temperatures.items():
        for run in curves.needs().metrics:
            check_known(params.runs, run, f"figures.temperatures.{figure}", "runs")
    for figure, shown in params.figures.comparisons.items():
        if data := shown.needs().data:
            raise ValueError(f"figures.comparisons.{figure}: {data[0]!r} is a dataset; move the figure to diversities")


def _check_shown_studies(params: Params) -> None:
    for figure, shown in params.figures.neighbours.items():
        for study in shown.blocks.values():
            check_known(params.neighbours, study, f"figures.neighbours.{figure}", "neighbours")
    for figure, variation in params.figures.variations.items():
        check_known(params.variations, variation.study, f"figures.variations.{figure}.study", "variations")
    for figure, interpolation in params.figures.interpolations.items():
        place = f"figures.interpolations.{figure}.study"
        check_known(params.interpolations, interpolation.study, place, "interpolations")
    for figure, likelihood in params.figures.likelihoods.items():
        for study in likelihood.curves.values():
            check_known(params.likelihoods, study, f"figures.likelihoods.{figure}", "likelihoods")


def _check_claim(params: Params, place: str, claim: ClaimParams) -> None:
    named: list[tuple[str, Collection[str], list[str]]] = [
        ("", params.scored, runs_of(claim)),
        ("interpolations", params.interpolations, interpolations_of(claim)),
        ("neighbours", params.neighbours, neighbours_of(claim)),
        ("throughput", params.throughput, throughputs_of(claim)),
    ]
    for name, section, keys in named:
        for key in keys:
            check_known(section, key, place, name)
    counts = {run: params.scored[run].num_samples for run in runs_of(claim)}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{run!r} has {count}" for run, count in counts.items())
        raise ValueError(f"{place}: {found} samples; metrics depend on that number, so it must be one")
    for model in models_of(claim):
        _check_trained(params, model, place)
    if isinstance(claim, BeatsEarlyClaim):
        for run in claim.runs:
            check_known({**params.runs, **params.upsampled_runs}, run, f"{place}.runs", "runs and upsampled_runs")
    if isinstance(claim, ReconstructionOrderClaim):
        for other in claim.interpolations[1:]:
            _check_same_images(params, f"{place}.interpolations", claim.interpolations[0], other)


def _check_trained(params: Params, model: str, place: str) -> None:
    network_of(params, model, place)
    if model not in {params.model_of(point) for point in (*params.segments, *params.published.checkpoints)}:
        raise ValueError(f"{place}: model {model!r} is trained by no segment, so its training has no cost")


def _check_same_images(params: Params, place: str, first: str, other: str) -> None:
    for name in ("dataset", "reconstructions", "seed"):
        found, expected = (getattr(params.interpolations[key], name) for key in (other, first))
        if found != expected:
            raise ValueError(f"{place}: the {name} of {other!r} is {found!r}, but that of {first!r} is {expected!r}")


def _check_needs(params: Params, place: str, needs: Needs) -> None:
    sections: dict[str, Collection[str]] = {
        "metrics": params.scored,
        "samples": params.scored,
        "data": params.datasets,
        "training": params.segments,
        "studies": params.studies,
        "throughput": params.throughput,
    }
    for kind, keys in needs.items():
        for key in keys:
            check_known(sections[kind], key, place)
