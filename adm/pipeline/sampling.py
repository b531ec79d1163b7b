"""Kinds of jobs that sample diffusion models, stacks that upsample them, and GANs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adm.config.models import ClassifierModel, DiffusionModel, UpsamplerModel
from adm.params.runs import RunParams, SamplingParams
from adm.pipeline.jobs import Job, Kind, Passes

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline
GRADIENT = 2
"""Cost of an image's gradient in forward passes: one forward pass, and a backward pass without weights' gradients."""


def _of_diffusion(graph: "Pipeline") -> Iterator[Job]:
    """Yield the jobs of runs that are sampled one by one, and not by the job of a curve."""
    runs: dict[str, SamplingParams] = {**graph.params.runs, **graph.params.upsampled_runs}
    for key, run in runs.items():
        if graph.params.curve_of(key) is None:
            inputs, sections = graph.named(run, "checkpoint", "classifier", "guide.checkpoint", "base")
            yield graph.job(SAMPLE, key, inputs, run=run, **sections)


def sampled(
    run: SamplingParams,
    model: DiffusionModel | UpsamplerModel,
    classifier: ClassifierModel | None = None,
    guide: DiffusionModel | None = None,
) -> Iterator[Passes]:
    """Count the passes of sampling a run, with the sections of its networks."""
    # The last block of a run is computed as a whole.
    images = len(run.blocks) * run.micro_batch
    evaluations = run.evaluations(model.noise)
    yield Passes(model, images * evaluations.denoiser, run.precision)
    if isinstance(run, RunParams) and classifier is not None and evaluations.classifier:
        yield Passes(classifier, GRADIENT * images * evaluations.classifier, run.classifier_precision)
    if evaluations.guide:
        yield Passes(guide or model, images * evaluations.guide, run.precision)


def _of_gans(graph: "Pipeline") -> Iterator[Job]:
    for key, run in graph.params.gan_runs.items():
        gan = graph.params.gans[run.gan]
        inputs = {"gan": graph.path("train_gan", run.gan)}
        yield graph.job(SAMPLE_GAN, key, inputs, run=run, gan=gan, dataset=graph.params.datasets[gan.dataset])


SAMPLE = Kind(
    name="sample",
    help="Sample a run; goes on where an earlier try stopped.",
    outputs={"out": "samples/{key}/"},
    jobs=_of_diffusion,
    cost=lambda job: sampled(
        job.sections["run"], job.sections["model"], *map(job.sections.get, ("classifier_model", "guide_model"))
    ),
    libraries=("torch",),
    resources="sample",
    in_several=True,
)
SAMPLE_GAN = Kind(
    name="sample_gan",
    help="Sample a GAN under truncation.",
    outputs={"out": "samples/{key}/"},
    jobs=_of_gans,
    libraries=("torch",),
)

KINDS = [SAMPLE, SAMPLE_GAN]
