"""Checks that cross sections of the params file: every name resolves, and what meets fits."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams
from adm.params.report import CurveParams, GridParams, TableParams
from adm.params.steps import respaced_timesteps

if TYPE_CHECKING:
    from adm.params.file import Params


def check(params: Params) -> None:
    """Check all cross references.

    Raises:
        ValueError: Names the key, the value and what is accepted.
    """
    for key, extractor in params.extractors.items():
        _known(params.datasets, extractor.dataset, f"extractors.{key}.dataset")
    for key, reference in params.references.items():
        _known(params.datasets, reference.dataset, f"references.{key}.dataset")
        _known(params.extractors, reference.extractor, f"references.{key}.extractor")
    for model in params.models:
        if f"{model}-0" in params.segments:
            raise ValueError(f"segments.{model}-0: this name is kept for the initial checkpoint of model {model!r}")
    for key in params.segments:
        _check_segment(params, key)
    for key in params.runs:
        _check_run(params, key)
    _check_rows(params, "tables.table_8", params.tables.table_8)
    _check_rows(params, "figures.figure_6", params.figures.figure_6)
    _check_grid(params, "figures.figure_21", params.figures.figure_21)


def _check_segment(params: Params, key: str) -> None:
    segment, place = params.segments[key], f"segments.{key}"
    _known(params.models, segment.model, f"{place}.model")
    _known(params.datasets, segment.dataset, f"{place}.dataset")
    model, dataset = params.models[segment.model], params.datasets[segment.dataset]
    if isinstance(model, UniformModelParams):
        raise ValueError(f"{place}.model: {segment.model!r} is of kind 'uniform', which is not trained")
    owner = _model_of(params, segment.previous, f"{place}.previous")
    if owner != segment.model:
        raise ValueError(
            f"{place}.previous: {segment.previous!r} is a checkpoint of {owner!r}, not of {segment.model!r}"
        )
    start = params.iteration_of(segment.previous)
    if start >= segment.stop:
        raise ValueError(f"{place}.stop: {segment.stop} must exceed {start}, where {segment.previous!r} stopped")
    annealing = model.training.annealing
    if annealing is not None and annealing < segment.stop:
        raise ValueError(
            f"{place}.stop: {segment.stop} is past models.{segment.model}.training.annealing {annealing}, where the "
            "learning rate is zero"
        )
    # Random crops may be cut from larger images than the network sees.
    if model.training.crop == "centre" or dataset.image_size < model.network.image_size:
        _equal(f"{place}.dataset", "image_size", dataset.image_size, segment.model, model.network.image_size)
    if model.network.num_classes is not None:
        _equal(f"{place}.dataset", "num_classes", dataset.num_classes, segment.model, model.network.num_classes)


def _check_run(params: Params, key: str) -> None:
    run, place = params.runs[key], f"runs.{key}"
    name = _model_of(params, run.checkpoint, f"{place}.checkpoint")
    model = params.models[name]
    if not isinstance(model, DiffusionModelParams):
        raise ValueError(f"{place}.checkpoint: {run.checkpoint!r} is of kind {model.kind!r}, not 'diffusion'")
    try:
        respaced_timesteps(model.noise.timesteps, run.steps)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error
    _check_guidance(params, key, name, model)
    _known(params.extractors, run.extractor, f"{place}.extractor")
    _known(params.references, run.reference, f"{place}.reference")
    real = params.datasets[params.references[run.reference].dataset]
    _equal(f"{place}.reference", "image_size", real.image_size, name, model.network.image_size)
    expected = params.references[run.reference].extractor
    if run.extractor != expected:
        raise ValueError(
            f"{place}.extractor: {run.extractor!r} is not {expected!r}, as reference {run.reference!r} has"
        )


def _check_guidance(params: Params, key: str, name: str, model: DiffusionModelParams) -> None:
    run, place = params.runs[key], f"runs.{key}.classifier"
    classifier = params.models[_model_of(params, run.classifier, place)]
    if isinstance(classifier, UniformModelParams):
        if run.gradient_scale:
            raise ValueError(
                f"runs.{key}.gradient_scale: {run.gradient_scale} does nothing with the uniform classifier; use 0.0"
            )
        return
    if not isinstance(classifier, ClassifierModelParams):
        raise ValueError(f"{place}: {run.classifier!r} is of kind {classifier.kind!r}, not 'classifier' or 'uniform'")
    _equal(place, "timesteps", classifier.noise.timesteps, name, model.noise.timesteps)
    _equal(place, "schedule", classifier.noise.schedule, name, model.noise.schedule)
    _equal(place, "image_size", classifier.network.image_size, name, model.network.image_size)
    if model.network.num_classes is not None:
        _equal(place, "num_classes", classifier.network.num_classes, name, model.network.num_classes)


def _check_rows(params: Params, place: str, shown: TableParams | CurveParams) -> None:
    for key in shown.rows:
        _known(params.runs, key, f"{place}.rows")
    sweep = [key for key, run in params.runs.items() if run.sweep == shown.sweep]
    if sorted(sweep) != sorted(shown.rows):
        odd = sorted(set(sweep) ^ set(shown.rows)) or sorted({row for row in shown.rows if shown.rows.count(row) > 1})
        raise ValueError(
            f"{place}.rows: {', '.join(odd)}: must be the runs of sweep {shown.sweep!r}, each once, which are "
            f"{', '.join(sweep) or 'none'}"
        )


def _check_grid(params: Params, place: str, grid: GridParams) -> None:
    _known(params.runs, grid.run, f"{place}.run")
    model = params.models[params.model_of(params.runs[grid.run].checkpoint)]
    assert isinstance(model, DiffusionModelParams)
    for number in grid.classes:
        if model.network.num_classes is None or number >= model.network.num_classes:
            raise ValueError(f"{place}.classes: {number} is no class; the model has {model.network.num_classes}")


def _known(section: Collection[str], key: str, place: str) -> None:
    if key not in section:
        raise ValueError(f"{place}: {key!r} is not defined; there are {', '.join(section) or 'none'}")


def _model_of(params: Params, checkpoint: str, place: str) -> str:
    try:
        return params.model_of(checkpoint)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _equal(place: str, name: str, found: Any, model: str, expected: Any) -> None:
    if found != expected:
        raise ValueError(f"{place}: its {name} is {found!r}, but model {model!r} has {expected!r}")
