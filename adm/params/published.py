"""Sections of published files: checkpoints, sample batches, reference batches and graphs."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from adm.params.data import GraphParams
from adm.params.references import Graph, Model
from adm.params.runs import ScoredParams
from adm.params.section import Key, PositiveInt, Section

FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Accepted form of the last part of a URL, which becomes the name of a file."""


class PublishedParams(Section):
    """A published file: its URL and, if they are known, its size in bytes and its checksums."""

    url: str
    size: PositiveInt | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    @property
    def filename(self) -> str:
        """The name of the file: the last part of the URL's path."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def file(self) -> "PublishedParams":
        """The file, without the fields about its use."""
        return PublishedParams(url=self.url, size=self.size, sha256=self.sha256, md5=self.md5)

    @model_validator(mode="after")
    def _url_names_a_file(self) -> Self:
        try:
            parts = urlsplit(self.url)
            scheme, host = parts.scheme, parts.hostname
        except ValueError as error:
            raise ValueError(f"url {self.url!r} is no URL: {error}") from error
        if not self.url.isprintable():
            raise ValueError(f"url {self.url!r} holds a line break or another character that no URL has")
        if scheme not in ("http", "https", "file"):
            raise ValueError(f"url {self.url!r} has scheme {scheme!r}; accepted are http, https, file")
        if scheme == "file" and (host not in (None, "localhost") or not parts.path.startswith("/")):
            raise ValueError(f"url {self.url!r} has no absolute path; write file:///folder/name")
        if scheme != "file" and not host:
            raise ValueError(f"url {self.url!r} names no host; write {scheme}://host/name")
        if not FILENAME.fullmatch(self.filename) or self.filename == "manifest.json":
            raise ValueError(
                f"url {self.url!r} must end in the name of a file, of letters, digits and _.+-; found {self.filename!r}"
            )
        return self


class PublishedCheckpointParams(PublishedParams):
    """The averaged weights of a model in the released format, and their iteration."""

    model: Model
    iteration: PositiveInt


class PublishedSamplesParams(ScoredParams, PublishedParams):
    """A batch of samples in the released format; the first `num_samples` are scored."""

    image_size: PositiveInt


class PublishedReferenceParams(PublishedParams):
    """A reference batch in the released format.

    Precision and recall use its first `num_images` images; null means all.
    """

    image_size: PositiveInt
    extractor: Graph
    num_images: Annotated[int, Field(ge=4)] | None = None
    threads: PositiveInt = 1


class PublishedGraphParams(GraphParams, PublishedParams):
    """A frozen feature graph, such as the Inception graph of 2015, or the weights of a `network`.

    A network gives pooled features alone: it can be a judge, and no reference's own extractor.
    """

    network: Literal["dinov2-vitl14"] | None = None

    @model_validator(mode="after")
    def _a_network_is_torchs(self) -> Self:
        if self.network is not None and (self.executor != "torch" or self.compiled):
            raise ValueError(f"network {self.network!r} runs by executor 'torch', not compiled; leave both out")
        return self


class PublishedSection(Section):
    """All published files, by kind.

    A params file may also give `root` here: a URL that ends in "/" and is put before every URL without a scheme.
    """

    checkpoints: dict[Key, PublishedCheckpointParams] = {}
    samples: dict[Key, PublishedSamplesParams] = {}
    references: dict[Key, PublishedReferenceParams] = {}
    graphs: dict[Key, PublishedGraphParams] = {}
