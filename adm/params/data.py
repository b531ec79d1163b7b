"""Sections of the data: datasets, extractors of features, reference batches."""

from typing import Annotated, Literal

from pydantic import Field

from adm.params.section import Key, PositiveInt, Section, Seed


class DatasetParams(Section):
    """A labelled dataset: where its images come from and the side they are prepared at."""

    source: Literal["digits"]
    image_size: PositiveInt
    num_classes: PositiveInt
    shard_size: PositiveInt


class ExtractorParams(Section):
    """A small classifier that is trained on a dataset and frozen into a graph of features."""

    dataset: Key
    side: Annotated[int, Field(gt=0, multiple_of=4)]
    channels: Annotated[int, Field(ge=4)]
    iterations: PositiveInt
    batch_size: PositiveInt
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    held_out: Annotated[float, Field(gt=0, lt=1)]
    feature_batch: PositiveInt
    seed: Seed
    threads: PositiveInt


class ReferenceParams(Section):
    """A reference batch: statistics of a whole dataset, and the images that precision and recall compare with."""

    dataset: Key
    extractor: Key
    num_images: Annotated[int, Field(ge=4)]
    threads: PositiveInt
