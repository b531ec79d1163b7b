"""Sections of the data: datasets, feature graphs, reference batches, and published files of all kinds."""

from typing import Annotated, Self

from pydantic import Field

from adm.config.base import PositiveInt
from adm.config.data import Extractor, ImageSource, NetworkGraph
from adm.config.files import PublishedFile
from adm.params.references import Dataset, Graph, Model
from adm.params.runs import ScoredParams
from adm.params.section import Key, Section


class DatasetParams(Section, ImageSource):
    """A labelled dataset, or a view of one.

    A dataset with `stored` "files" serves all sizes: a view of it, `{of: KEY, image_size: 64}`, reads the same files at
    its own size and has no other value of its own. A dataset that views alone read needs no `image_size`.
    """

    of: Key | None = None

    @property
    def prepared(self) -> Self:
        """The section that `prepare` reads; of a view, that of the dataset whose view it is."""
        return self.model_copy(update={"image_size": None, "of": None}) if self.stored == "files" else self


def of_files(dataset: DatasetParams | None) -> dict[str, DatasetParams]:
    """Give the section, by its name, of a dataset that stores files; nothing of others.

    Who reads images of stored files notes it: the artifact of these does not tell at what size they were read.
    """
    return {"dataset": dataset} if dataset is not None and dataset.stored == "files" else {}


class ExtractorParams(Section, Extractor):
    """An extractor that is trained on a dataset."""

    dataset: Dataset


class ReferenceParams(Section):
    """A reference batch: statistics of a whole dataset, and images for precision and recall."""

    dataset: Dataset
    extractor: Graph
    num_images: Annotated[int, Field(ge=4)]
    threads: PositiveInt = 1


class PublishedCheckpointParams(Section, PublishedFile):
    """Averaged weights: as released, from `adm export`, or a checkpoint's `ema.safetensors`; their iteration."""

    model: Model
    iteration: PositiveInt


class PublishedSamplesParams(ScoredParams, PublishedFile):
    """A batch of samples in the released format; the first `num_samples` are scored."""

    image_size: PositiveInt


class PublishedReferenceParams(Section, PublishedFile):
    """A reference batch in the released format."""

    image_size: PositiveInt
    extractor: Graph
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
