"""Files that lie at a URL, and the released ones, which users can fetch by name, without a params file."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from adm.config.base import Config, PositiveInt

FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Accepted form of the last part of a URL, which becomes the name of a file."""


class PublishedFile(Config):
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
    def file(self) -> "PublishedFile":
        """The file, without the fields about its use."""
        return PublishedFile(url=self.url, size=self.size, sha256=self.sha256, md5=self.md5)

    @model_validator(mode="after")
    def _url_names_a_file(self) -> Self:
        parts = urlsplit(self.url)
        is_local = parts.scheme == "file" and parts.hostname in (None, "localhost") and parts.path.startswith("/")
        is_remote = parts.scheme in ("http", "https") and parts.hostname
        if not self.url.isprintable() or not (is_local or is_remote):
            raise ValueError(f"url {self.url!r} is not accepted; write https://host/name or file:///folder/name")
        if not FILENAME.fullmatch(self.filename) or self.filename == "manifest.json":
            raise ValueError(f"url {self.url!r} ends in {self.filename!r}; write a name of letters, digits and _.+-")
        return self


ROOT = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/"
"""Where the released files lie."""

_BY_KIND = json.loads(Path(__file__).with_name("released.json").read_text(encoding="utf-8"))
_FIELDS = ("size", "sha256", "md5")

_ROWS = [row for rows in _BY_KIND.values() for row in rows]

RELEASED = {
    row["name"]: PublishedFile(url=ROOT + row["path"], **{key: row.get(key) for key in _FIELDS}) for row in _ROWS
}
"""The released files that `adm fetch NAME` fetches, by name. Of most neither size nor checksum is known."""

KINDS = {kind: [row["name"] for row in rows] for kind, rows in _BY_KIND.items()}
"""Their names, by their kind."""

INCEPTION = RELEASED["inception"]
"""The Inception graph of 2015. Source: the released evaluator, which fetches this file."""

CHECKPOINTS = {row["name"]: row["preset"] for row in _BY_KIND["Checkpoints"]}
"""The presets of released checkpoints, by the names of their files."""
