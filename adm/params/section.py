"""The base of all sections of the params file, and keys of its entries."""

from typing import Annotated

from pydantic import StringConstraints

from adm.config.base import Config

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A key of an artifact; it becomes a file name, so it has no slash and no space."""


class Section(Config):
    """A section of the params file."""
