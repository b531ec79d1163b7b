"""Kinds of jobs that sample diffusion models, stacks that upsample them, and GANs.

With more than one of `shards`, a run is cut into parts that can run in parallel; gathering them gives the same bytes as
sampling in one process.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adm.config.models import ClassifierModel, DiffusionModel, UpsamplerModel
from adm.params.runs import RunParams, SamplingParams
from adm.pipeline.jobs import Job, Kind, Passes
from adm.sampling.blocks import WHOLE, Shard, blocks_of

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline
GRADIENT = 2
"""Cost of an image's gradient in forward passes: one forward pass, and a backward pass without weights' gradients."""


def _parts(graph: "Pipeline") -> Iterator[tuple[str, SamplingParams, dict[str, Path], dict[str, Any]]]:
    """Yield the runs that are sampled one by one, with what each reads."""
    runs: dict[str, SamplingParams] = {**graph.params.runs, **graph.params.upsampled_runs}
    for key, run in runs.items():
        if graph.params.curve_of(key) is None:
            yield key, run, *graph.named(run, "checkpoint", "classifier", "guide.checkpoint", "base")


def _whole(graph: "Pipeline") -> Iterator[Job]:
    for key, run, inputs, sections in _parts(graph) if graph.shards == 1 else ():
        yield graph.job(SAMPLE, key, inputs, run=run, **sections)


def _cut(graph: "Pipeline") -> Iterator[Job]:
    for key, run, inputs, sections in _parts(graph) if graph.shards > 1 else ():
        for number in range(1, graph.shards + 1):
            shard = str(Shard(number, graph.shards))
            yield graph.job(SAMPLE_SHARD, key, inputs, shard, run=run, **sections)


def _gathered(graph: "Pipeline") -> Iterator[Job]:
    for key, run, inputs, sections in _parts(graph) if graph.shards > 1 else ():
        shards = [str(Shard(number, graph.shards)) for number in range(1, graph.shards + 1)]
        files = {f"shards/{shard}": Job(SAMPLE_SHARD, key, graph.root, shard=shard).out for shard in shards}
        yield Job(GATHER, key, graph.root, {**inputs, **files}, {"run": run, **sections})


def sampled(
    run: SamplingParams,
    model: DiffusionModel | UpsamplerModel,
    classifier: ClassifierModel | None = None,
    guide: DiffusionModel | None = None,
    shard: Shard = WHOLE,
) -> Iterable[Passes]:
    """Count the passes of sampling a run, or a shard of it, with the sections of its networks."""
    # The last block of a run is computed as a whole.
    images = len(blocks_of(shard, run.num_samples, run.micro_batch)) * run.micro_batch
    evaluations = run.evaluations(model.noise)
    yield Passes(model, images * evaluations.denoiser, run.precision)
    if isinstance(run, RunParams) and classifier is not None and evaluations.classifier:
        yield Passes(classifier, GRADIENT * images * evaluations.classifier, run.classifier_precision)
    if evaluations.guide:
        yield Passes(guide or model, images * evaluations.guide, run.precision)


def _sample_cost(job: Job) -> Iterator[Passes]:
    read, shard = job.sections, Shard.parse(job.shard) if job.shard else WHOLE
    yield from sampled(read["run"], read["model"], read.get("classifier_model"), read.get("guide_model"), shard)


def _of_gans(graph: "Pipeline") -> Iterator[Job]:
    for key, run in graph.params.gan_runs.items():
        gan = graph.params.gans[run.gan]
        inputs = {"gan": graph.path("train_gan", run.gan)}
        yield graph.job(SAMPLE_GAN, key, inputs, run=run, gan=gan, dataset=graph.params.datasets[gan.dataset])


SAMPLE = Kind(
    name="sample",
    help="Sample a run, or one shard of it; goes on where an earlier try stopped.",
    outputs={"out": "samples/{key}/"},
    jobs=_whole,
    cost=_sample_cost,
    libraries=("torch",),
    resources="sample",
    in_several=True,
)
SAMPLE_SHARD = replace(SAMPLE, name="sample_shard", help="", outputs={"out": "shards/{key}/{shard}.npz"}, jobs=_cut)
GATHER = Kind(
    name="gather",
    help="Join the shards of a run.",
    outputs={"out": "samples/{key}/"},
    jobs=_gathered,
    libraries=("torch",),
    made_by="sample",  # what it would have written, byte for byte
)
SAMPLE_GAN = Kind(
    name="sample_gan",
    help="Sample a GAN under truncation.",
    outputs={"out": "samples/{key}/"},
    jobs=_of_gans,
    libraries=("torch",),
)

KINDS = [SAMPLE, SAMPLE_SHARD, GATHER, SAMPLE_GAN]
