"""What a job costs, in passes of networks that a kind declares and `adm.planning` turns into operations."""

from collections.abc import Iterable
from dataclasses import dataclass

from adm.config.models import AnyModel, ClassifierModel, DiffusionModel, Precision, UpsamplerModel
from adm.params.runs import RunParams, SamplingParams
from adm.sampling.blocks import WHOLE, Shard, blocks_of

GRADIENT = 2
"""Cost of an image's gradient in forward passes: one forward pass, and a backward pass without weights' gradients."""


@dataclass(frozen=True)
class Passes:
    """Forward passes of a model's network, of an image each."""

    model: AnyModel
    count: float
    precision: Precision


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
