"""Files that lie at a URL."""

import re
from pathlib import PurePosixPath
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
