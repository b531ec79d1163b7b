"""References: fields of sections that name an entry, and whose type says of which section.

From the type alone follow that the entry exists, that a model stands for its last checkpoint, that a sweep stands for
its entries in a list, that seeds stand for a group or for their first, and what a table, a figure or claims are made
from. `visit` is the one way through the references of a section, before pydantic has seen it as well as after.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, GetJsonSchemaHandler, StringConstraints

from adm.errors import shown
from adm.params.section import Key, Section

Read = Literal["metrics", "samples", "data", "studies", "throughput", "sizes"]
"""What a table, a figure or a claim reads of what it names."""


NAMES = "x-names"
"""Tells in a JSON schema of which sections the key is."""

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

    @property
    def sections(self) -> str:
        """The sections of the params file that hold what it may name, in words."""
        return JOINED.get(self.of, self.of)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), NAMES: self.sections}


Dataset = Annotated[Key, Ref("datasets")]
Graph = Annotated[Key, Ref("graphs")]
Model = Annotated[Key, Ref("models")]
Gan = Annotated[Key, Ref("gans")]
Reference = Annotated[Key, Ref("all_references")]
Checkpoint = Annotated[Key, Ref("checkpoints")]
"""A model's key stands for its last checkpoint."""
Schedule = Annotated[Key, Ref("schedules")]
DiffusionRun = Annotated[Key, Ref("runs")]
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
Variation = Annotated[Key, Ref("variations", ("studies",))]
Likelihood = Annotated[Key, Ref("likelihoods", ("studies",))]
FoundSchedule = Annotated[Key, Ref("schedules", ("studies",))]

RUNS = frozenset({"runs", "scored"})
"""What references to runs are to."""

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


OrNone = BeforeValidator(_source)
"""Marks a place of a paper's table: the key of its source, or the reason why this scale has none."""


class Named(NamedTuple):
    """A reference: the field that it stands in, what its type says, the key, and whether it is one of a list."""

    field: str
    ref: Ref
    key: str
    listed: bool = False


Each = Callable[[Named], list[str]]


def references(kind: Any, value: Any) -> list[Named]:
    """List the references of a value of an annotation or a class, in the order of fields."""
    found: list[Named] = []

    def note(named: Named) -> list[str]:
        found.append(named)
        return [named.key]

    visit(kind, value, note)
    return found


def keys_read(section: BaseModel, read: Read) -> list[str]:
    """List the keys of what a table, a figure or a claim reads something of, in order and without repetition."""
    return keys_in(named.key for named in references(type(section), section) if read in named.ref.reads)


def keys_in(sources: Iterable[str | NoSource | None]) -> list[str]:
    """List the keys among sources, in order and without repetition."""
    return list(dict.fromkeys(source for source in sources if isinstance(source, str)))


def visit(kind: Any, value: Any, each: Each, field: str = "") -> Any:
    """Go through the references of a value, and replace what they name.

    Args:
        kind: The annotation of the value, or its class.
        value: From YAML, or checked; what does not fit its annotation is left as it is.
        each: The keys that stand for a reference: all of them in a list, elsewhere the first.
        field: The place of the value, for `each`.

    Returns:
        The value from YAML with those keys; a checked section itself.
    """
    return next(iter(_several(kind, value, each, field, listed=False)), value)


def refs_of(kind: Any, field: str) -> list[Ref]:
    """What a field of the sections of an annotation may name."""
    kinds = [_referring(base)[field] for base in sections_of(kind) if field in _referring(base)]
    return [one.ref for each in kinds for one in _types(each) if one.ref is not None]


def sections_of(*kinds: Any) -> list[type[BaseModel]]:
    """The classes of sections among the types that values of some annotations may have."""
    return [one.base for kind in kinds for one in _types(kind) if one.is_section]


def fields_of(*kinds: Any) -> dict[str, list[Any]]:
    """The fields of these classes of sections, each with its annotations."""
    found: dict[str, list[Any]] = {}
    for section in sections_of(*kinds):
        for name, field in section.model_fields.items():
            found.setdefault(name, []).append(field.annotation)
    return found


def _several(kind: Any, value: Any, each: Each, field: str, listed: bool) -> list[Any]:
    for one in _types(kind):
        if not one.refers:
            continue
        if one.ref is not None and isinstance(value, str):
            return list(each(Named(field, one.ref, value, listed)))
        if one.origin is list and isinstance(value, list):
            return [_of_list(one.arguments[0], value, each, field)]
        if one.origin is dict and isinstance(value, list):  # rows without labels
            return [_of_list(one.arguments[1], value, each, field)]
        if one.origin is dict and isinstance(value, Mapping):
            keys, items = one.arguments
            return [
                {
                    visit(keys, key, each, field): visit(items, item, each, _within(field, key))
                    for key, item in value.items()
                }
            ]
        if one.is_section and is_of(one.base, value):
            return [_visited(one.base, value, each, field)]
    return [value]


def _of_list(kind: Any, value: list[Any], each: Each, field: str) -> list[Any]:
    return [one for item in value for one in _several(kind, item, each, field, listed=True)]


def _visited(section: type[BaseModel], value: Any, each: Each, field: str) -> Any:
    """A section whose fields are visited."""
    changed = {}
    for name, kind in _referring(section).items():
        if isinstance(value, BaseModel):
            visit(kind, getattr(value, name), each, _within(field, name))
        elif name in value:
            changed[name] = visit(kind, value[name], each, _within(field, name))
    return value if isinstance(value, BaseModel) else {**value, **changed}


def _within(field: str, name: Any) -> str:
    return f"{field}.{name}" if field and name else field or str(name)


def is_of(section: type[BaseModel], value: Any) -> bool:
    """Whether a value is of a class of sections, from YAML by its `kind`."""
    if not isinstance(value, dict):
        return isinstance(value, section)
    default, kinds = _kinds(section)
    return not kinds or value.get("kind", default) in kinds


@cache
def _kinds(section: type[BaseModel]) -> tuple[Any, tuple[Any, ...]]:
    """The kind of a class that an entry has without `kind`, and all that it may have; nothing if it has none."""
    kind = section.model_fields.get("kind")
    return (None, ()) if kind is None else (kind.default, get_args(kind.annotation))


@cache
def _referring(section: type[BaseModel]) -> dict[str, Any]:
    """The fields of a class that hold references, with their annotations."""
    kinds = {
        name: Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        for name, field in section.model_fields.items()
    }
    return {name: kind for name, kind in kinds.items() if any(one.refers for one in _types(kind))}


@dataclass(frozen=True, eq=False)
class _Type:
    """A type that values of an annotation may have.

    Attributes:
        base: The type, less what marks it.
        ref: What its values name, if they are keys.
        origin: `list` or `dict`, of a list or a mapping.
        arguments: The types of its items.
        is_section: Whether it is a class of sections.
        refers: Whether it holds references.
    """

    base: Any
    ref: Ref | None
    origin: Any
    arguments: tuple[Any, ...]
    is_section: bool
    refers: bool


_KNOWN: dict[int, tuple[Any, list[_Type]]] = {}
"""The types of annotations, by their identities; they are asked for some ten thousand times while a file is loaded."""


def _types(kind: Any) -> list[_Type]:
    """The types that values of an annotation may have."""
    known = _KNOWN.get(id(kind))
    if known is None:
        # The annotation is kept, too: no other one can then have its identity.
        known = _KNOWN[id(kind)] = (kind, [_type(base, marks) for base, marks in _alternatives(kind)])
    return known[1]


def _type(base: Any, marks: tuple[Any, ...]) -> _Type:
    ref = next((mark for mark in marks if isinstance(mark, Ref)), None)
    is_section, arguments = isinstance(base, type) and issubclass(base, BaseModel), get_args(base)
    inner = bool(_referring(base)) if is_section else any(one.refers for part in arguments for one in _types(part))
    return _Type(base, ref, get_origin(base), arguments, is_section, ref is not None or inner)


def _alternatives(kind: Any, marks: tuple[Any, ...] = ()) -> list[tuple[Any, tuple[Any, ...]]]:
    """The types that a value may have, each with what marks it."""
    if get_origin(kind) is Annotated:
        base, *more = get_args(kind)
        return _alternatives(base, (*marks, *more))
    if get_origin(kind) in (Union, UnionType):
        return [one for part in get_args(kind) for one in _alternatives(part, marks)]
    return [(kind, marks)]
