"""Sources of images, and how to run and to train graphs of features."""

from typing import Annotated, Literal, Self

from PIL import ImageColor
from pydantic import AfterValidator, Field, model_validator

from adm.config.base import Classes, Config, Fraction, PositiveInt, Seed

Colour = Annotated[str, AfterValidator(lambda colour: ImageColor.getrgb(colour) and colour)]
"""A colour by its name in CSS, or as #rrggbb."""

ROOTS = {
    "idx": "a folder with train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz]",
    "folder": "a folder with one folder of images a class",
    "lsun": "a folder of images without classes",
}
"""The content of `root`, by source; other sources have no root."""

SOURCES_OF = {
    "root": tuple(ROOTS),
    **dict.fromkeys(("stored", "background", "watched"), ("folder", "lsun")),
    "class_names": ("digits", "idx"),
}
"""Fields that are not for all sources, with those that they are for."""


class ImageSource(Config):
    """A labelled dataset: the source of its images, and the side to which they are prepared.

    `root` is the folder of the raw files, absolute or relative to the project. Source "lsun" with more than one class
    splits images into so many clusters by looks. `classes` keeps only images of these classes. With `channels` 1
    images become grey, and networks see one channel; on disk they are RGB with three equal channels.

    `held_out` is a share of every class on which nothing is trained; samples can be compared with these images, which
    no model has seen. The seed is fixed: datasets of one source, at several sizes or of some classes, hold out the
    same images.

    Without a `background` image files are read as the released code reads them. With one, a colour, they are read as a
    person sees them: transparency lies on it, and orientation, 16 bits and profiles of colours are applied.

    Of a `watched` dataset each file is looked at whenever jobs are listed: if any was added, changed or removed, it is
    out of date. Else that is not noticed.

    `class_names` are those of the numbers 0, 1, 2 and so on, for sources that have numbers alone.

    With `stored` "files" the images' own files are kept, and each image is decoded and cropped when it is read. Such a
    dataset serves all sizes, so that it needs no `image_size`.
    """

    source: Literal["digits", "idx", "folder", "lsun"]
    root: Annotated[str, Field(min_length=1)] | None = None
    image_size: PositiveInt | None = None
    num_classes: PositiveInt
    class_names: list[str] | None = None
    classes: Classes | None = None
    shard_size: PositiveInt = 4096
    channels: Literal[1, 3] = 3
    held_out: Fraction = 0.0
    stored: Literal["pixels", "files"] = "pixels"
    background: Colour | None = None
    watched: bool = False

    @model_validator(mode="after")
    def _fields_belong_to_the_source(self) -> Self:
        for name, sources in SOURCES_OF.items():
            default, value = type(self).model_fields[name].default, getattr(self, name)
            if value != default and self.source not in sources:
                raise ValueError(f"{name} {value!r} is not for source {self.source!r}, but for {' and '.join(sources)}")
        if self.source in ROOTS and self.root is None:
            raise ValueError(f"root is missing; source {self.source!r} needs {ROOTS[self.source]}")
        if self.image_size is None and self.stored == "pixels":
            raise ValueError("image_size is missing; it is the side of the images in pixels")
        return self

    @model_validator(mode="after")
    def _classes_exist(self) -> Self:
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"class_names has {len(self.class_names)} names; num_classes is {self.num_classes}")
        if (label := max(self.classes or [0])) >= self.num_classes:
            raise ValueError(f"classes holds {label}, which is no class; num_classes is {self.num_classes}")
        return self

    @property
    def libraries(self) -> list[str]:
        """Distributions whose version decides the images."""
        return ["scikit-learn"] if self.source == "digits" else []

    @property
    def side(self) -> int:
        """`image_size` of a dataset whose images something reads."""
        assert self.image_size is not None
        return self.image_size


class GraphParams(Config):
    """How to run a feature graph: the library, and the number of images in a batch."""

    executor: Literal["torch", "tensorflow"] = "torch"
    feature_batch: PositiveInt = 256
    threads: PositiveInt = 1

    @property
    def libraries(self) -> list[str]:
        """Distributions whose version decides the features."""
        return [self.executor]


class NetworkGraph(GraphParams):
    """How to run a frozen graph or, in its place, the weights of a published `network`, which gives pooled features."""

    network: Literal["dinov2-vitl14"] | None = None

    @property
    def libraries(self) -> list[str]:
        """The same; images for a network are resized by Pillow."""
        return [self.executor, *(["pillow"] if self.network else [])]

    @model_validator(mode="after")
    def _a_network_is_torchs(self) -> Self:
        if self.network is not None and self.executor != "torch":
            raise ValueError(f"network {self.network!r} runs by executor 'torch'; leave it out")
        return self


class Extractor(GraphParams):
    """A small classifier that is trained on a dataset and frozen into a feature graph.

    It learns the images' classes, or, where they have none, by which of four rotations each was turned. The share
    `held_out` of the images is not trained on. Where fewer of them than `least_accuracy` are told right, the features
    say little about images, and so would the metrics that rest on them: the stage refuses them.
    """

    learns: Literal["classes", "rotations"] = "classes"
    side: Annotated[int, Field(gt=0, multiple_of=4)]
    channels: Annotated[int, Field(ge=4)] = 16
    iterations: PositiveInt
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0)] = 3.0e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1.0e-2
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    least_accuracy: Annotated[float, Field(ge=0, le=1)]
    seed: Seed = 0

    def told(self, num_classes: int) -> int:
        """Count what it tells apart, of a dataset of so many classes."""
        return num_classes if self.learns == "classes" else 4
