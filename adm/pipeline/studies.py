"""Kinds of jobs that study models: interpolations, neighbours, and likelihoods."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adm.config.respacing import number_of_steps
from adm.params.models import DiffusionModelParams
from adm.params.needs import neighbours_dataset
from adm.pipeline import cost
from adm.pipeline.jobs import Job, Kind

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


def _steps(model: DiffusionModelParams, steps: str | None) -> int:
    return number_of_steps(model.noise.timesteps, steps or str(model.noise.timesteps))


def _interpolate_cost(job: Job, counts: cost.Counts) -> Iterator[cost.Quantity]:
    study, model = job.sections["interpolation"], job.sections["model"]
    steps = _steps(model, study.steps)
    # Pairs are encoded with all steps but the last, and decoded with all. Reconstructions are encoded so twice and
    # with all steps once, decoded with all steps twice and without the last once.
    encoded = 2 * study.pairs * (steps - 1) + study.reconstructions * (3 * steps - 2)
    decoded = study.pairs * study.points * steps + study.reconstructions * (3 * steps - 1)
    yield cost.Passes(model, encoded + decoded, study.precision)
    if study.gradient_scale:
        yield cost.Passes(job.sections["classifier_model"], cost.GRADIENT * decoded, study.classifier_precision)


def _neighbours(graph: "Pipeline") -> Iterator[Job]:
    for key, study in graph.params.neighbours.items():
        inputs = {
            "samples": graph.path("sample", study.run),
            "features": graph.path("features", study.run),
            "data": graph.dataset(neighbours_dataset(graph.params, key)),
            "dataset_features": graph.path("dataset_features", graph.params.scored[study.run].reference),
        }
        yield graph.job(NEIGHBOURS, key, inputs, neighbours=study)


def _likelihood_cost(job: Job, counts: cost.Counts) -> Iterator[cost.Quantity]:
    study, model = job.sections["likelihood"], job.sections["model"]
    yield cost.Passes(model, study.num_images * _steps(model, study.steps), study.precision)


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
    libraries=("numpy",),
)
LIKELIHOOD = Kind(
    name="likelihood",
    help="Measure the bits per dimension of images of a dataset, term by term.",
    outputs=STUDY,
    section="likelihoods",
    cost=_likelihood_cost,
    libraries=("torch",),
    resources="sample",
)
KINDS = [INTERPOLATE, NEIGHBOURS, LIKELIHOOD]
