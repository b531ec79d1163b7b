"""Kinds of jobs that train: checkpoints, a model's initial one and then a chain of segments; GANs; and what it costs.

The chains are the longest paths through the graph, so training comes first.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from adm.pipeline.jobs import Job, Kind, Passes
from adm.report.compute import PASSES

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


def _initial(graph: "Pipeline") -> Iterator[Job]:
    for key, model in graph.params.models.items():
        start = getattr(model, "start", None)
        inputs, source = graph.named(model, "start.checkpoint")
        kept = {} if start is None else {"keep_classes": start.keep_classes}
        yield graph.job(INIT, key, inputs, model=model, **source, **kept)


def _trained(graph: "Pipeline") -> Iterator[Job]:
    params = graph.params
    for key, segment in params.segments.items():
        inputs = {"data": graph.dataset(segment.dataset), "previous": graph.path("train", segment.previous)}
        model, dataset = params.models[segment.model], params.datasets[segment.dataset]
        start = params.iteration_of(segment.previous)
        job = graph.job(TRAIN, key, inputs, segment=segment, model=model, dataset=dataset, start=start)
        yield replace(job, threads=model.training.threads)


def _train_cost(job: Job) -> Iterator[Passes]:
    segment, model, start = (job.sections[name] for name in ("segment", "model", "start"))
    training = model.training
    yield Passes(model, PASSES * (segment.stop - start) * training.batch_size, training.precision)


def _sizes(graph: "Pipeline") -> Iterator[Job]:
    if (params := graph.params).models or params.gans:
        datasets = {gan.dataset: params.datasets[gan.dataset] for gan in params.gans.values()}
        yield graph.job(SIZES, "", {}, models=params.models, gans=params.gans, datasets=datasets)


INIT = Kind(
    name="init",
    help="Write a model's initial checkpoint.",
    outputs={"out": "checkpoints/{key}-0/"},
    section="models",
    jobs=_initial,
    libraries=("torch", "safetensors"),
    priority=2,
)
TRAIN = Kind(
    name="train",
    help="Train a model from one checkpoint to the next; goes on where an earlier try stopped.",
    outputs={"out": "checkpoints/{key}/", "log": "training/{key}.csv"},
    jobs=_trained,
    cost=_train_cost,
    libraries=("torch", "safetensors"),
    resources="train",
    in_several=True,
    priority=1,
)
TRAIN_GAN = Kind(
    name="train_gan",
    help="Train a small class-conditional GAN.",
    outputs={"out": "gans/{key}/"},
    section="gans",
    entry="gan",
    reads=("dataset",),
    libraries=("torch", "safetensors"),
)
SIZES = Kind(
    name="sizes",
    help="Count the parameters and the FLOPs of every model, and FLOPs of training GANs.",
    outputs={"out": "sizes.json"},
    jobs=_sizes,
    libraries=("torch",),
)
THROUGHPUT = Kind(
    name="throughput",
    help="Measure how fast this machine trains a model, naively and as we do.",
    outputs={"out": "throughput/{key}.json"},
    section="throughput",
    libraries=("torch",),
)

KINDS = [INIT, TRAIN, TRAIN_GAN, SIZES, THROUGHPUT]
