"""Sections of published files: checkpoints, sample batches, reference batches and graphs."""

from typing import Annotated

from pydantic import Field

from adm.config.base import PositiveInt
from adm.config.data import NetworkGraph
from adm.config.files import PublishedFile
from adm.params.references import Graph, Model
from adm.params.runs import ScoredParams
from adm.params.section import Key, Section


class PublishedCheckpointParams(Section, PublishedFile):
    """The averaged weights of a model in the released format, and their iteration."""

    model: Model
    iteration: PositiveInt


class PublishedSamplesParams(ScoredParams, PublishedFile):
    """A batch of samples in the released format; the first `num_samples` are scored."""

    image_size: PositiveInt


class PublishedReferenceParams(Section, PublishedFile):
    """A reference batch in the released format.

    Precision and recall use its first `num_images` images; null means all.
    """

    image_size: PositiveInt
    extractor: Graph
    num_images: Annotated[int, Field(ge=4)] | None = None
    threads: PositiveInt = 1


class PublishedGraphParams(Section, NetworkGraph, PublishedFile):
    """A frozen feature graph, such as the Inception graph of 2015, or the weights of a `network`.

    A network gives pooled features alone: it can be a judge, and no reference's own extractor.
    """


class PublishedSection(Section):
    """All published files, by kind.

    A params file may also give `root` here: a URL that ends in "/" and is put before every URL without a scheme.
    """

    checkpoints: dict[Key, PublishedCheckpointParams] = {}
    samples: dict[Key, PublishedSamplesParams] = {}
    references: dict[Key, PublishedReferenceParams] = {}
    graphs: dict[Key, PublishedGraphParams] = {}
