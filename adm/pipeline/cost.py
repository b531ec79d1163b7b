"""What a job costs, in quantities that a kind declares and `adm.planning` turns into operations and bytes."""

from collections.abc import Iterable
from dataclasses import dataclass

from adm.config.data import GraphParams
from adm.config.models import AnyModel, ClassifierModel, DiffusionModel, Precision, UpsamplerModel
from adm.params import Params
from adm.params.data import DatasetParams, ExtractorParams, PublishedGraphParams, PublishedReferenceParams
from adm.params.runs import RunParams, SamplingParams

GRADIENT = 2
"""Cost of an image's gradient in forward passes: one forward pass, and a backward pass without weights' gradients."""

FLOAT, DOUBLE, LABEL, INDEX = 4, 8, 8, 24
"""Bytes of a float32, a float64, an int64, and an image's entry in the index of stored files."""

INCEPTION = (2048, 17 * 17 * 7, 1008)
"""Numbers of pooled, spatial and logit features of an image from the 2015 graph."""

WIDTHS = {"dinov2-vitl14": 1024}
"""Numbers of pooled features of an image from the networks that give no others."""


@dataclass(frozen=True)
class Counts:
    """Numbers of images that the jobs of a params file process; of datasets including those that they hold out."""

    params: Params
    datasets: dict[str, int]

    def trained_on(self, dataset: str) -> int:
        """Count the images that a dataset does not hold out, to within one per class."""
        count = self.datasets[dataset]
        return count - int(count * self.params.datasets[dataset].held_out)

    def of_reference(self, reference: str) -> int:
        """Count a reference batch's images."""
        section = self.params.all_references[reference]
        if isinstance(section, PublishedReferenceParams):
            return section.num_images or 10_000  # as those that are released have
        return section.num_images


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


@dataclass(frozen=True)
class Weights:
    """Float32 that are stored, as a multiple of a model's parameters."""

    model: AnyModel
    copies: int


@dataclass(frozen=True)
class Bytes:
    """Bytes that are stored."""

    size: int


@dataclass(frozen=True)
class Files:
    """Image files that are stored as they are, with an index."""

    dataset: DatasetParams
    images: int


Quantity = Passes | Seen | Weights | Bytes | Files


def pixels(images: int, side: int) -> int:
    """Count the bytes of RGB images of a side."""
    return images * 3 * side**2


def features_of(params: Params, graph: GraphParams) -> tuple[int, int, int]:
    """Count the pooled, spatial and logit features of an image from a graph."""
    if isinstance(graph, ExtractorParams):
        # The network in `adm.metrics.small_extractor`.
        return 64, (graph.side // 4) ** 2 * 7, params.datasets[graph.dataset].num_classes
    network = graph.network if isinstance(graph, PublishedGraphParams) else None
    return INCEPTION if network is None else (WIDTHS[network], 0, 0)


def reference_bytes(counts: Counts, reference: str, unseen: int = 0) -> int:
    """Count the bytes of a reference batch: statistics, images, and the pooled features of held-out images."""
    params = counts.params
    pool, spatial, _ = features_of(params, params.graphs[params.all_references[reference].extractor])
    numbers = pool + pool**2 + spatial + spatial**2
    images = pixels(counts.of_reference(reference), params.image_size_of_reference(reference))
    return DOUBLE * numbers + FLOAT * pool * unseen + images


def sampled(
    run: SamplingParams,
    images: int,
    model: DiffusionModel | UpsamplerModel,
    classifier: ClassifierModel | None = None,
    guide: DiffusionModel | None = None,
) -> Iterable[Passes]:
    """Count the passes of sampling images as a run does, with the sections of its networks."""
    evaluations = run.evaluations(model.noise.timesteps)
    yield Passes(model, images * evaluations.denoiser, run.precision)
    if isinstance(run, RunParams) and classifier is not None and evaluations.classifier:
        yield Passes(classifier, GRADIENT * images * evaluations.classifier, run.classifier_precision)
    if evaluations.guide:
        yield Passes(guide or model, images * evaluations.guide, run.precision)
