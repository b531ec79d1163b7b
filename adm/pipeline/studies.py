"""Kinds of jobs that study models: interpolations, neighbours, variations, likelihoods, and found schedules."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adm.config.respacing import number_of_steps, rounds_of
from adm.params.models import DiffusionModelParams
from adm.params.needs import neighbours_dataset
from adm.params.studies import LikelihoodParams, SearchParams
from adm.pipeline.cost import (
    DOUBLE,
    GRADIENT,
    LABEL,
    Bytes,
    Counts,
    Passes,
    Quantity,
    Seen,
    pixels,
    sampled,
)
from adm.pipeline.jobs import Job, Kind

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


def _steps(model: DiffusionModelParams, steps: str | None) -> int:
    return number_of_steps(model.noise.timesteps, steps or str(model.noise.timesteps))


def _interpolate_cost(job: Job, counts: Counts) -> Iterator[Quantity]:
    study, model = job.sections["interpolation"], job.sections["model"]
    steps = _steps(model, study.steps)
    # Pairs are encoded with all steps but the last, and decoded with all. Reconstructions are encoded so twice and
    # with all steps once, decoded with all steps twice and without the last once.
    encoded = 2 * study.pairs * (steps - 1) + study.reconstructions * (3 * steps - 2)
    decoded = study.pairs * study.points * steps + study.reconstructions * (3 * steps - 1)
    yield Passes(model, encoded + decoded, study.precision)
    if study.gradient_scale:
        yield Passes(job.sections["classifier_model"], GRADIENT * decoded, study.classifier_precision)
    yield Bytes(study.pairs * (study.points + 2) * pixels(1, counts.params.datasets[study.dataset].side))


def _neighbours(graph: "Pipeline") -> Iterator[Job]:
    for key, study in graph.params.neighbours.items():
        inputs = {
            "samples": graph.path("sample", study.run),
            "features": graph.path("features", study.run),
            "data": graph.dataset(neighbours_dataset(graph.params, key)),
            "dataset_features": graph.path("dataset_features", graph.params.scored[study.run].reference),
        }
        yield graph.job(NEIGHBOURS, key, inputs, neighbours=study)


def _neighbours_cost(job: Job, counts: Counts) -> Iterator[Quantity]:
    study, params = job.sections["neighbours"], counts.params
    samples, real = params.scored[study.run].num_samples, counts.trained_on(neighbours_dataset(params, job.key))
    yield Bytes(samples * (study.k * (LABEL + DOUBLE) + 1) + real * DOUBLE)


def _sampled_like(graph: "Pipeline", run: str) -> tuple[dict[str, Path], dict[str, Any]]:
    """Return what a study reads that samples like a run."""
    section = graph.params.runs[run]
    inputs, sections = graph.named(section, "checkpoint", "classifier", "schedule")
    return inputs, {"run": section, **sections}


def _varied(graph: "Pipeline") -> Iterator[Job]:
    for key, study in graph.params.variations.items():
        inputs, sections = _sampled_like(graph, study.run)
        yield graph.job(VARY, key, inputs, variation=study, **sections)


def _vary_cost(job: Job, counts: Counts) -> Iterator[Quantity]:
    study, run, count = job.sections["variation"], job.sections["run"], job.sections["variation"].num_samples
    for scale in study.scales:
        scaled = run.model_copy(update={"gradient_scale": scale})
        yield from sampled(scaled, count, job.sections["model"], job.sections["classifier_model"])
    yield Bytes(pixels(count * len(study.scales), counts.params.image_size_of(study.run)))


def _bound_cost(job: Job, counts: Counts) -> Iterator[Quantity]:
    study, model = job.sections[job.kind.entry], job.sections["model"]
    steps = _steps(model, study.steps if isinstance(study, LikelihoodParams) else study.among)
    yield Passes(model, study.num_images * steps, study.precision)


def _schedules(graph: "Pipeline") -> Iterator[Job]:
    for key, study in graph.params.schedules.items():
        if isinstance(study, SearchParams):
            inputs, sections = _sampled_like(graph, study.run)
            extractor = graph.params.extractor_of(study.run)
            reference = graph.params.runs[study.run].reference
            inputs |= {"graph": graph.path("extractor", extractor), "reference": graph.path("reference", reference)}
            sections |= {"extractor": graph.params.graphs[extractor]}
        else:
            inputs, sections = graph.named(study)
        yield graph.job(SCHEDULE, key, inputs, schedule=study, **sections)


def _schedule_cost(job: Job, counts: Counts) -> Iterator[Quantity]:
    study = job.sections["schedule"]
    if not isinstance(study, SearchParams):
        yield from _bound_cost(job, counts)
        return
    rounds = rounds_of(study.candidates, study.num_samples)
    # Images of one round are kept for the next, but their features are computed again.
    fewer = [(0, 0), *rounds]
    images = sum(count * (now - before) for (count, now), (_, before) in zip(rounds, fewer, strict=False))
    yield from sampled(job.sections["run"], images, job.sections["model"], job.sections.get("classifier_model"))
    yield Seen(job.sections["extractor"], sum(map(math.prod, rounds)))


STUDY = {"out": "studies/{key}/"}

INTERPOLATE = Kind(
    name="interpolate",
    help="Encode real images by reversed DDIM, interpolate between them, and measure how they come back.",
    outputs=STUDY,
    section="interpolations",
    entry="interpolation",
    cost=_interpolate_cost,
    libraries=("torch",),
    resources="sample",
)
NEIGHBOURS = Kind(
    name="neighbours",
    help="Find the nearest images of a dataset to each sample of a run.",
    outputs=STUDY,
    section="neighbours",
    jobs=_neighbours,
    cost=_neighbours_cost,
    libraries=("numpy",),
)
VARY = Kind(
    name="vary",
    help="Sample the same seeds under growing gradient scales.",
    outputs=STUDY,
    section="variations",
    entry="variation",
    jobs=_varied,
    cost=_vary_cost,
    libraries=("torch",),
    resources="sample",
)
LIKELIHOOD = Kind(
    name="likelihood",
    help="Measure the bits per dimension of images of a dataset, term by term.",
    outputs=STUDY,
    section="likelihoods",
    cost=_bound_cost,
    libraries=("torch",),
    resources="sample",
)
SCHEDULE = Kind(
    name="schedule",
    help="Find the timesteps that runs visit, by the variational bound or by a search on FID.",
    outputs=STUDY,
    section="schedules",
    jobs=_schedules,
    cost=_schedule_cost,
    libraries=("torch",),
    resources="sample",
)

KINDS = [INTERPOLATE, NEIGHBOURS, VARY, LIKELIHOOD, SCHEDULE]
