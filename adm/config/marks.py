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


def visit(wanted: type, kind: Any, value: Any, each: Each, field: str = "", marks: tuple[Any, ...] = ()) -> Any:
    """Go through the marked values of a value, and replace them.

    Args:
        wanted: The class of the marks.
        kind: The annotation of the value, or its class.
        value: From YAML, or checked; what does not fit its annotation is left as it is.
        each: What stands for a marked value: all of it in a list, elsewhere the first.
        field: The field that the value stands in.
        marks: What `Annotated` says of the value.

    Returns:
        The value from YAML with what stands there; a checked section itself.
    """
    given = _visited(wanted, kind, value, each, field, marks=marks)
    return given[0] if given else value


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


@cache
def _marked_fields(wanted: type, section: type[BaseModel]) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Give the annotation and the metadata of each field of a class of sections in which something is marked."""
    fields = {name: (field.annotation, tuple(field.metadata)) for name, field in section.model_fields.items()}
    return {name: both for name, both in fields.items() if _is_marked(wanted, *both)}


def _is_marked(wanted: type, kind: Any, marks: tuple[Any, ...] = ()) -> bool:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return bool(_marked_fields(wanted, kind))
    return any(isinstance(mark, wanted) for mark in marks) or any(
        isinstance(part, wanted) or _is_marked(wanted, part) for part in get_args(kind)
    )


def _visited(
    wanted: type, kind: Any, value: Any, each: Each, field: str = "", listed: bool = False, marks: tuple[Any, ...] = ()
) -> list[Any] | None:
    """Give what replaces a value in a field, of a list or not; None if it is not of this annotation, or has no marks.

    `marks` are what `Annotated` says of the value.
    """
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        marks = (*marks, *more)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        tried = (_visited(wanted, part, value, each, field, listed, marks) for part in arguments)
        return next((given for given in tried if given is not None), None)
    if mark := next((mark for mark in marks if isinstance(mark, wanted)), None):
        return list(each(Named(field, mark, value, listed))) if isinstance(value, str) else None
    if isinstance(kind, type) and issubclass(kind, BaseModel) and is_of(kind, value):
        return [_section(wanted, kind, value, each, field)]
    if origin is dict and isinstance(value, Mapping):
        keys, items = arguments
        replaced = {
            visit(wanted, keys, key, each, field): visit(wanted, items, one, each, _within(field, key))
            for key, one in value.items()
        }
        return [replaced]
    if origin not in (list, dict) or not isinstance(value, list):
        return None
    # Rows of a mapping may have no labels.
    several = ((one, _visited(wanted, arguments[-1], one, each, field, True)) for one in value)
    return [[key for one, keys in several for key in ([one] if keys is None else keys)]]


def _section(wanted: type, section: type[BaseModel], value: Any, each: Each, field: str) -> Any:
    given = vars(value) if isinstance(value, BaseModel) else value
    changed = {
        name: visit(wanted, kind, given[name], each, _within(field, name), marks)
        for name, (kind, marks) in _marked_fields(wanted, section).items()
        if name in given
    }
    return value if isinstance(value, BaseModel) else {**value, **changed}


def _within(field: str, name: Any) -> str:
    return f"{field}.{name}" if field and name else field or str(name)
