"""References: fields of sections that name an entry, and whose type says of which section.

From the type alone follow that the entry exists, that a model stands for its last checkpoint, that a sweep stands for
its entries in a list, that seeds stand for a group or for their first, and what a table, a figure or claims are made
from.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, StringConstraints

from adm.config import marks
from adm.params.section import Key, Section

Read = Literal["metrics", "samples", "data", "studies", "throughput", "sizes"]
"""Artifacts that a table, a figure or a claim reads of what it names."""

JOINED = {
    "graphs": "extractors and published.graphs",
    "all_references": "references and published.references",
    "checkpoints": "checkpoints of models and published.checkpoints",
    "scored": "runs, upsampled_runs, gan_runs and published.samples",
}
"""Attributes of `Sections` that join sections of the params file, in words."""


@dataclass(frozen=True)
class Ref:
    """Marks a type of a field: its values are keys.

    Attributes:
        of: The section of the entries that it may name, or an attribute of `Sections` that joins several.
        reads: What is read of them.
        groups: Whether it may name a group of runs, of several seeds; otherwise the first stands for all of them.
    """

    of: str
    reads: tuple[Read, ...] = ()
    groups: bool = False


Dataset = Annotated[Key, Ref("datasets")]
Graph = Annotated[Key, Ref("graphs")]
Model = Annotated[Key, Ref("models")]
Gan = Annotated[Key, Ref("gans")]
Reference = Annotated[Key, Ref("all_references")]
Checkpoint = Annotated[Key, Ref("checkpoints")]
"""A model's key stands for its last checkpoint."""
Base = Annotated[Key, Ref("runs", ("samples",))]
Scored = Annotated[Key, Ref("scored")]

# What tables, figures and claims name, by what they read of it.
Scores = Annotated[Key, Ref("scored", ("metrics",), groups=True)]
SingleScores = Annotated[Key, Ref("scored", ("metrics",))]
ScoresAndCost = Annotated[Key, Ref("scored", ("metrics", "sizes"), groups=True)]
DiffusionScores = Annotated[Key, Ref("runs", ("metrics",), groups=True)]
Guidance = Annotated[Key, Ref("runs")]
Images = Annotated[Key, Ref("scored", ("samples",))]
Data = Annotated[Key, Ref("datasets", ("data",))]
Size = Annotated[Key, Ref("models", ("sizes",))]
Throughput = Annotated[Key, Ref("throughput", ("throughput",))]
Interpolation = Annotated[Key, Ref("interpolations", ("studies",))]
Neighbours = Annotated[Key, Ref("neighbours", ("studies",))]
Likelihood = Annotated[Key, Ref("likelihoods", ("studies",))]

RUNS = frozenset({"runs", "scored"})
"""Sections that references to runs are to."""

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
    raise ValueError(f"{value!r} is not accepted; write a key, or {{none: why there is none}}")


OrNone = BeforeValidator(_source)
"""Marks a place of a paper's table: the key of its source, or the reason why this scale has none."""

Named = marks.Named[Ref]
"""A reference: the field that it stands in, what its type says, the key, and whether it is one of a list."""


def references(kind: Any, value: Any) -> list[Named]:
    """List the references of a value of an annotation or a class, in the order of fields."""
    return marks.marked(Ref, kind, value)


def visit(kind: Any, value: Any, each: marks.Each) -> Any:
    """Go through the references of a value, and replace what they name, as `adm.config.marks.visit`."""
    return marks.visit(Ref, kind, value, each)


def keys_read(section: BaseModel, read: Read) -> list[str]:
    """List the keys of what a table, a figure or a claim reads something of, in order and without repetition."""
    return keys_in(named.key for named in references(type(section), section) if read in named.ref.reads)


def keys_in(sources: Iterable[str | NoSource | None]) -> list[str]:
    """List the keys among sources, in order and without repetition."""
    return list(dict.fromkeys(source for source in sources if isinstance(source, str)))
