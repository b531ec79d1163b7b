"""Kinds of jobs that score: features of samples and of real images, reference batches, and the metrics of runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from adm.params.data import of_files
from adm.params.references import keys_in
from adm.params.section import Section, judged, parts
from adm.pipeline import cost
from adm.pipeline.jobs import Job, Kind

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


def _features(graph: "Pipeline", kind: Kind, key: str, images: Path, extractor: str, **size: Section) -> Job:
    inputs = {"images": images, "graph": graph.path("extractor", extractor)}
    return graph.job(kind, key, inputs, extractor=graph.params.graphs[extractor], **size)


def _features_of_samples(graph: "Pipeline") -> Iterator[Job]:
    params = graph.params
    for key in graph.scored_alone:
        yield _features(graph, FEATURES, key, graph.path("sample", key), params.extractor_of(key))
    for key in graph.judged:
        run, judge = parts(key)
        yield _features(graph, FEATURES, key, graph.path("sample", run), judge)


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


def _features_cost(job: Job, counts: cost.Counts) -> Iterator[cost.Quantity]:
    key, _ = parts(job.key)
    if job.kind is FEATURES:
        images = counts.params.scored[key].num_samples
    elif job.kind is REFERENCE_FEATURES:
        images = counts.of_reference(key)
    else:
        images = counts.datasets[counts.params.references[key].dataset]
    yield cost.Seen(job.sections["extractor"], images)


def _fitted(graph: "Pipeline") -> Iterator[Job]:
    for key, reference in graph.params.references.items():
        inputs = {"features": graph.path("dataset_features", key), "data": graph.dataset(reference.dataset)}
        size = of_files(graph.params.datasets[reference.dataset])
        yield graph.job(REFERENCE, key, inputs, reference=reference, **size)


def _evaluated(graph: "Pipeline") -> Iterator[Job]:
    params = graph.params
    for key in graph.scored_alone:
        run = params.scored[key]
        inputs = {
            "samples": graph.path("sample", key),
            "features": graph.path("features", key),
            "reference": graph.path("reference", run.reference),
            "reference_features": graph.path("reference_features", run.reference),
        }
        yield graph.job(EVALUATE, key, inputs, run=run, reference=params.reference_of(key), **graph.asked([key]))


def _curves(graph: "Pipeline") -> Iterator[Job]:
    """Yield the jobs that sample and score the runs of a curve, one after another."""
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


def _curve_cost(job: Job, counts: cost.Counts) -> Iterator[cost.Quantity]:
    models = job.sections["models"]
    for run in job.sections["runs"].values():
        networks = {name: models[checkpoint] for name, checkpoint in run.networks.items()}
        yield from cost.sampled(run, networks["checkpoint"], networks.get("classifier"), networks.get("guide"))
        yield cost.Seen(job.sections["extractor"], run.num_samples)


def _judged(graph: "Pipeline") -> Iterator[Job]:
    """Yield the jobs of judges for the runs that tables and claims ask for."""
    params = graph.params
    for key in graph.judged:
        run, judge = parts(key)
        reference = params.scored[run].reference
        shared = judged(reference, judge)
        inputs = {
            "samples": graph.path("sample", run),
            "features": graph.path("features", key),
            "reference": graph.path("reference", reference),
            "reference_features": graph.path("reference_features", shared),
        }
        size: dict[str, Section] = {}
        if reference in params.references:
            dataset = params.references[reference].dataset
            inputs |= {"dataset_features": graph.path("dataset_features", shared), "data": graph.dataset(dataset)}
            size |= of_files(params.datasets[dataset])
        sections = {"run": params.scored[run], "reference": params.reference_of(run), **graph.asked([run])}
        yield graph.job(JUDGE, key, inputs, **sections, extractor=params.graphs[judge], **size)


FEATURES = Kind(
    name="features",
    help="Compute the features of a run, or of reference/KEY or dataset/KEY.",
    outputs={"out": "features/{key}/"},
    jobs=_features_of_samples,
    cost=_features_cost,
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
    jobs=_evaluated,
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
    jobs=_judged,
    libraries=("numpy", "scipy"),
    stage="adm.stages.evaluate",
)

KINDS = [FEATURES, DATASET_FEATURES, REFERENCE_FEATURES, REFERENCE, EVALUATE, CURVE, JUDGE]
