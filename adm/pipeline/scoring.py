"""Kinds of jobs that score, and that study models.

Scores take features of samples and of real images, and references. Studies: interpolations, neighbours, likelihoods.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adm.config.schedules import number_of_steps
from adm.params.data import of_files
from adm.params.models import DiffusionModelParams
from adm.params.needs import neighbours_dataset
from adm.params.references import keys_in
from adm.params.section import Section, judged, parts
from adm.pipeline.jobs import Job, Kind, Passes
from adm.pipeline.sampling import GRADIENT, sampled

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


def _features(graph: "Pipeline", kind: Kind, key: str, images: Path, extractor: str, **size: Section) -> Job:
    inputs = {"images": images, "graph": graph.path("extractor", extractor)}
    return graph.job(kind, key, inputs, extractor=graph.params.graphs[extractor], **size)


def _features_of_samples(graph: "Pipeline") -> Iterator[Job]:
    for key in (*graph.scored_alone, *graph.judged):
        run, judge = parts(key)
        yield _features(graph, FEATURES, key, graph.path("sample", run), judge or graph.params.extractor_of(run))


def _references(graph: "Pipeline") -> Iterator[tuple[str, str, str]]:
    """Yield every reference with its own extractor and with each judge, and the key of the features of both."""
    for key, reference in graph.params.all_references.items():
        yield key, reference.extractor, key
    for run, judge in map(parts, graph.judged):
        name = graph.params.scored[run].reference
        yield name, judge, judged(name, judge)


def _features_of_references(graph: "Pipeline") -> Iterator[Job]:
    for reference, extractor, key in dict.fromkeys(_references(graph)):
        yield _features(graph, REFERENCE_FEATURES, key, graph.path("reference", reference), extractor)


def _features_of_datasets(graph: "Pipeline") -> Iterator[Job]:
    params = graph.params
    for reference, extractor, key in dict.fromkeys(_references(graph)):
        if reference in params.references:
            dataset = params.references[reference].dataset
            size = of_files(params.datasets[dataset])
            yield _features(graph, DATASET_FEATURES, key, graph.dataset(dataset), extractor, **size)


def _fitted(graph: "Pipeline") -> Iterator[Job]:
    for key, reference in graph.params.references.items():
        inputs = {"features": graph.path("dataset_features", key), "data": graph.dataset(reference.dataset)}
        size = of_files(graph.params.datasets[reference.dataset])
        yield graph.job(REFERENCE, key, inputs, reference=reference, **size)


def _scored(graph: "Pipeline", keys: Iterable[str]) -> Iterator[Job]:
    """Yield the jobs that score runs by the extractor of their reference or, as RUN@JUDGE, by a further one."""
    params = graph.params
    for key in keys:
        run, judge = parts(key)
        reference = params.scored[run].reference
        shared = judged(reference, judge) if judge else reference
        inputs = {
            "samples": graph.path("sample", run),
            "features": graph.path("features", key),
            "reference": graph.path("reference", reference),
            "reference_features": graph.path("reference_features", shared),
        }
        scored = {"run": params.scored[run], "reference": params.all_references[reference]}
        sections: dict[str, Any] = {**scored, **graph.asked([run])}
        if judge:
            sections["extractor"] = params.graphs[judge]
            if reference in params.references:
                dataset = params.references[reference].dataset
                inputs |= {"dataset_features": graph.path("dataset_features", shared), "data": graph.dataset(dataset)}
                sections |= of_files(params.datasets[dataset])
        yield graph.job(JUDGE if judge else EVALUATE, key, inputs, **sections)


def _curves(graph: "Pipeline") -> Iterator[Job]:
    params = graph.params
    for key, members in params.curves.items():
        runs = {run: params.runs[run] for run in members}
        reference = runs[members[0]].reference
        extractor = params.all_references[reference].extractor
        networks = keys_in(name for run in runs.values() for name in run.networks.values())
        inputs = {
            "graph": graph.path("extractor", extractor),
            "reference": graph.path("reference", reference),
            "reference_features": graph.path("reference_features", reference),
            **{f"networks/{name}": graph.path("train", name) for name in networks},
        }
        sections = {
            "runs": runs,
            "models": {name: params.models[params.model_of(name)] for name in networks},
            "extractor": params.graphs[extractor],
            "reference": params.all_references[reference],
            **graph.asked(runs),
        }
        job = graph.job(CURVE, key, inputs, **sections)
        yield replace(job, threads=max(run.threads for run in runs.values()))


def _curve_cost(job: Job) -> Iterator[Passes]:
    models = job.sections["models"]
    for run in job.sections["runs"].values():
        networks = {name: models[checkpoint] for name, checkpoint in run.networks.items()}
        yield from sampled(run, networks["checkpoint"], networks.get("classifier"), networks.get("guide"))


def _steps(model: DiffusionModelParams, steps: str | None) -> int:
    return number_of_steps(model.noise.timesteps, steps or str(model.noise.timesteps))


def _interpolate_cost(job: Job) -> Iterator[Passes]:
    study, model = job.sections["interpolation"], job.sections["model"]
    steps = _steps(model, study.steps)
    # Pairs are encoded with all steps but the last, and decoded with all. Reconstructions are encoded so twice and
    # with all steps once, decoded with all steps twice and without the last once.
    encoded = 2 * study.pairs * (steps - 1) + study.reconstructions * (3 * steps - 2)
    decoded = study.pairs * study.points * steps + study.reconstructions * (3 * steps - 1)
    yield Passes(model, encoded + decoded, study.precision)
    if study.gradient_scale:
        yield Passes(job.sections["classifier_model"], GRADIENT * decoded, study.classifier_precision)


def _neighbours(graph: "Pipeline") -> Iterator[Job]:
    for key, study in graph.params.neighbours.items():
        inputs = {
            "samples": graph.path("sample", study.run),
            "features": graph.path("features", study.run),
            "data": graph.dataset(neighbours_dataset(graph.params, key)),
            "dataset_features": graph.path("dataset_features", graph.params.scored[study.run].reference),
        }
        yield graph.job(NEIGHBOURS, key, inputs, neighbours=study)


def _likelihood_cost(job: Job) -> Iterator[Passes]:
    study, model = job.sections["likelihood"], job.sections["model"]
    yield Passes(model, study.num_images * _steps(model, study.steps), study.precision)


FEATURES = Kind(
    name="features",
    help="Compute the features of a run, or of reference/KEY or dataset/KEY.",
    outputs={"out": "features/{key}/"},
    jobs=_features_of_samples,
    resources="features",
    in_several=True,
)
DATASET_FEATURES = replace(
    FEATURES,
    name="dataset_features",
    help="",
    outputs={"out": "features/dataset/{key}/"},
    jobs=_features_of_datasets,
    verb="features",
    prefix="dataset/",
)
REFERENCE_FEATURES = replace(
    DATASET_FEATURES,
    name="reference_features",
    outputs={"out": "features/reference/{key}/"},
    jobs=_features_of_references,
    prefix="reference/",
)
REFERENCE = Kind(
    name="reference",
    help="Make a reference batch from a dataset and its features.",
    outputs={"out": "references/{key}/"},
    section="references",
    jobs=_fitted,
    libraries=("numpy",),
)
EVALUATE = Kind(
    name="evaluate",
    help="Score a batch of samples.",
    outputs={"out": "metrics/{key}.json"},
    jobs=lambda graph: _scored(graph, graph.scored_alone),
    libraries=("numpy", "scipy"),
)
CURVE = Kind(
    name="curve",
    help="Sample and score the runs of a curve one after another; goes on where an earlier try stopped.",
    outputs={"out": "curves/{key}.json"},
    jobs=_curves,
    cost=_curve_cost,
    libraries=("numpy", "scipy", "torch"),
    resources="sample",
)
JUDGE = Kind(
    name="judge",
    help="Score a batch of samples by a further extractor: RUN@EXTRACTOR.",
    outputs={"out": "judged/{key}.json"},
    jobs=lambda graph: _scored(graph, graph.judged),
    libraries=("numpy", "scipy"),
    stage="adm.stages.evaluate",
)
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

KINDS = [
    FEATURES,
    DATASET_FEATURES,
    REFERENCE_FEATURES,
    REFERENCE,
    EVALUATE,
    CURVE,
    JUDGE,
    INTERPOLATE,
    NEIGHBOURS,
    LIKELIHOOD,
]
