"""What a job costs, in quantities that a kind declares and `adm.planning` turns into operations."""

from collections.abc import Iterable
from dataclasses import dataclass

from adm.config.data import GraphParams
from adm.config.models import AnyModel, ClassifierModel, DiffusionModel, Precision, UpsamplerModel
from adm.params import Params
from adm.params.data import PublishedReferenceParams
from adm.params.runs import RunParams, SamplingParams
from adm.sampling.blocks import WHOLE, Shard, blocks_of

GRADIENT = 2
"""Cost of an image's gradient in forward passes: one forward pass, and a backward pass without weights' gradients."""


@dataclass(frozen=True)
class Counts:
    """Numbers of images that the jobs of a params file process; of datasets including those that they hold out."""

    params: Params
    datasets: dict[str, int]

    def of_reference(self, reference: str) -> int:
        """Count a reference batch's images."""
        section = self.params.all_references[reference]
        # Those that are released have 10,000.
        return 10_000 if isinstance(section, PublishedReferenceParams) else section.num_images


@dataclass(frozen=True)
class Passes:
    """Forward passes of a model's network, of an image each."""

    model: AnyModel
    count: float
    precision: Precision


@dataclass(frozen=True)
class Seen:
    """Images that go through a feature graph."""

    graph: GraphParams
    images: int


Quantity = Passes | Seen


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
