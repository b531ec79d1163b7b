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
    raise ValueError(f"{value!r} is not accepted; write a key, or {{none: why there is none}}")


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


def visit(kind: Any, value: Any, each: Each) -> Any:
    """Go through the references of a value, and replace what they name.

    Args:
        kind: The annotation of the value, or its class.
        value: From YAML, or checked; what does not fit its annotation is left as it is.
        each: The keys that stand for a reference: all of them in a list, elsewhere the first.

    Returns:
        The value from YAML with those keys; a checked section itself.
    """
    known = _VISITORS.get(id(kind))
    if known is None:
        # The annotation is kept, too: no other one can then have its identity.
        known = _VISITORS[id(kind)] = (kind, _visitor(kind))
    return _visited(known[1], value, each, "")


def sections_of(kind: Any) -> list[type[BaseModel]]:
    """List the classes of sections among the types that values of an annotation may have."""
    if get_origin(kind) is Annotated:
        return sections_of(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [section for part in get_args(kind) for section in sections_of(part)]
    return [kind] if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def is_of(section: type[BaseModel], value: Any) -> bool:
    """Tell whether a value is of a class of sections, from YAML by its `kind`."""
    if not isinstance(value, dict):
        return isinstance(value, section)
    default, kinds = _kinds(section)
    return not kinds or value.get("kind", default) in kinds


@cache
def _kinds(section: type[BaseModel]) -> tuple[Any, tuple[Any, ...]]:
    """The kind of a class that an entry has without `kind`, and all that it may have; nothing if it has none."""
    kind = section.model_fields.get("kind")
    return (None, ()) if kind is None else (kind.default, get_args(kind.annotation))


_Visitor = Callable[[Any, Each, str, bool], list[Any] | None]
"""Goes through a value in a field, of a list or not, and gives what replaces it; None if it has another type."""

_VISITORS: dict[int, tuple[Any, _Visitor | None]] = {}
"""By the identities of annotations: they are asked for some thousand times while a file is loaded."""


def _visited(visitor: _Visitor | None, value: Any, each: Each, field: str) -> Any:
    given = visitor(value, each, field, False) if visitor else None
    return given[0] if given else value


def _visitor(kind: Any, marks: tuple[Any, ...] = ()) -> _Visitor | None:
    """Make the visitor of an annotation; None if nothing in it refers."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _visitor(arguments[0], (*marks, *arguments[1:]))
    if origin in (Union, UnionType):
        several = [one for part in arguments if (one := _visitor(part, marks))]
        return _of_union(several) if several else None
    if ref := next((mark for mark in marks if isinstance(mark, Ref)), None):
        return lambda value, each, field, listed: (
            list(each(Named(field, ref, value, listed))) if isinstance(value, str) else None
        )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _of_section(kind)
    inner = [_visitor(part) for part in arguments]
    if origin is list and inner[0]:
        return _of_list(inner[0])
    return _of_mapping(*inner) if origin is dict and any(inner) else None


def _of_union(several: list[_Visitor]) -> _Visitor:
    def visit_any(*given: Any) -> list[Any] | None:
        return next((found for one in several if (found := one(*given)) is not None), None)

    return visit_any


def _of_list(item: _Visitor) -> _Visitor:
    def visit_list(value: Any, each: Each, field: str, listed: bool) -> list[Any] | None:
        if not isinstance(value, list):
            return None
        several = ((one, item(one, each, field, True)) for one in value)
        return [[key for one, keys in several for key in ([one] if keys is None else keys)]]

    return visit_list


def _of_mapping(keys: _Visitor | None, items: _Visitor | None) -> _Visitor:
    def visit_mapping(value: Any, each: Each, field: str, listed: bool) -> list[Any] | None:
        if isinstance(value, list) and items:  # rows without labels
            return _of_list(items)(value, each, field, True)
        if not isinstance(value, Mapping):
            return None
        return [
            {
                _visited(keys, key, each, field): _visited(items, item, each, _within(field, key))
                for key, item in value.items()
            }
        ]

    return visit_mapping


@cache
def _of_section(section: type[BaseModel]) -> _Visitor | None:
    made = {name: _visitor(field.annotation, tuple(field.metadata)) for name, field in section.model_fields.items()}
    fields = {name: visitor for name, visitor in made.items() if visitor}

    def visit_section(value: Any, each: Each, field: str, listed: bool) -> list[Any] | None:
        if not is_of(section, value):
            return None
        if isinstance(value, BaseModel):
            for name, visitor in fields.items():
                _visited(visitor, getattr(value, name), each, _within(field, name))
            return [value]
        changed = {
            name: _visited(visitor, value[name], each, _within(field, name))
            for name, visitor in fields.items()
            if name in value
        }
        return [{**value, **changed}]

    return visit_section if fields else None


def _within(field: str, name: Any) -> str:
    return f"{field}.{name}" if field and name else field or str(name)
