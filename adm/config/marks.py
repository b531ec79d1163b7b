"""Marks of fields: what `Annotated` says of a text, such as that it names a sampler or an entry of the params file.

`visit` is the one way through the marked values of a section, before pydantic has seen it as well as after.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

Mark = TypeVar("Mark")


class Named(NamedTuple, Generic[Mark]):
    """A marked value: the field that it stands in, its mark, the value, and whether it is one of a list."""

    field: str
    ref: Mark
    key: str
    listed: bool = False


Each = Callable[[Named[Any]], list[str]]


def visit(wanted: type, kind: Any, value: Any, each: Each) -> Any:
    """Go through the marked values of a value, and replace them.

    Args:
        wanted: The class of the marks.
        kind: The annotation of the value, or its class.
        value: From YAML, or checked; what does not fit its annotation is left as it is.
        each: What stands for a marked value: all of it in a list, elsewhere the first.

    Returns:
        The value from YAML with what stands there; a checked section itself.
    """
    if (wanted, id(kind)) not in _VISITORS:
        # The annotation is kept, too: no other one can then have its identity.
        _VISITORS[wanted, id(kind)] = (kind, _visitor(wanted, kind))
    return _visited(_VISITORS[wanted, id(kind)][1], value, each, "")


def marked(wanted: type[Mark], kind: Any, value: Any) -> list[Named[Mark]]:
    """List the marked values in a value of an annotation or a class, in the order of fields."""
    marks: list[Named[Mark]] = []

    def note(named: Named[Mark]) -> list[str]:
        marks.append(named)
        return [named.key]

    visit(wanted, kind, value, note)
    return marks


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
    """Give the kind of a class that an entry has without `kind`, and all that it may have; nothing if it has none."""
    kind = section.model_fields.get("kind")
    return (None, ()) if kind is None else (kind.default, get_args(kind.annotation))


_Visitor = Callable[[Any, Each, str, bool], list[Any] | None]
"""Goes through a value in a field, of a list or not, and gives what replaces it; None if it has another type."""

_VISITORS: dict[tuple[type, int], tuple[Any, _Visitor | None]] = {}
"""By marks and the identities of annotations: they are asked for some thousand times while a file is loaded."""


def _visited(visitor: _Visitor | None, value: Any, each: Each, field: str) -> Any:
    given = visitor(value, each, field, False) if visitor else None
    return given[0] if given else value


def _visitor(wanted: type, kind: Any, marks: tuple[Any, ...] = ()) -> _Visitor | None:
    """Make the visitor of an annotation; None if nothing in it is marked."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _visitor(wanted, arguments[0], (*marks, *arguments[1:]))
    if origin in (Union, UnionType):
        several = [one for part in arguments if (one := _visitor(wanted, part, marks))]
        return _of_union(several) if several else None
    if mark := next((mark for mark in marks if isinstance(mark, wanted)), None):
        return lambda value, each, field, listed: (
            list(each(Named(field, mark, value, listed))) if isinstance(value, str) else None
        )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _of_section(wanted, kind)
    inner = [_visitor(wanted, part) for part in arguments]
    if origin is list and inner[0]:
        return _of_list(inner[0])
    return _of_mapping(*inner) if origin is dict and any(inner) else None


def _of_union(several: list[_Visitor]) -> _Visitor:
    def visit_any(*given: Any) -> list[Any] | None:
        return next((visited for one in several if (visited := one(*given)) is not None), None)

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
def _of_section(wanted: type, section: type[BaseModel]) -> _Visitor | None:
    made = {
        name: _visitor(wanted, field.annotation, tuple(field.metadata)) for name, field in section.model_fields.items()
    }
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
