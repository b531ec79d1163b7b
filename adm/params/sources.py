"""Sources of the places in tables, figures and claims, and the artifacts that these need."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints

from adm.params.errors import shown
from adm.params.section import Key, Section

KEY = re.compile(r"[a-z0-9][a-z0-9_-]*")

Words = Annotated[str, StringConstraints(pattern=r"^\S[^\r\n]*$")]
"""One line of text."""


class NoSource(Section):
    """A place that a scale cannot fill, with the reason."""

    none: Words


def _source(value: Any) -> Any:
    # Checked here, because pydantic's own messages would name the members of the union, too.
    if isinstance(value, NoSource) or (isinstance(value, str) and KEY.fullmatch(value)):
        return value
    if isinstance(value, dict) and set(value) == {"none"} and isinstance(value["none"], str):
        return value
    raise ValueError(f"{shown(value)} is not accepted; write a key, or {{none: why there is none}}")


Source = Annotated[Key | NoSource, BeforeValidator(_source)]
"""The key of a place's source, or the reason why this scale has none."""


@dataclass(frozen=True)
class Needs:
    """Keys of the artifacts that a table, a figure or claims are made from, by their kind; `sizes` is one file."""

    metrics: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    throughput: list[str] = field(default_factory=list)
    sizes: bool = False

    def items(self) -> Iterator[tuple[str, list[str]]]:
        """Kinds and keys; the file of sizes has the key ""."""
        for each in fields(self):
            keys = getattr(self, each.name)
            yield each.name, ([""] if keys else []) if each.name == "sizes" else keys


def keys_in(sources: Iterable[str | NoSource]) -> list[str]:
    """The keys among sources, in order and without repetition."""
    return list(dict.fromkeys(source for source in sources if isinstance(source, str)))
