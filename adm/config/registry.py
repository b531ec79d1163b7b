"""Registries: rows that sections of the params file name, such as samplers and metrics.

A row is code to whom it matters: its values, and the modules of the functions that it names. The digest of a stage's
code holds the rows that a job's sections name, and those that `always` count, so that a new row has nothing run again.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler

Row = TypeVar("Row")


class Registry(dict[str, Row], Generic[Row]):
    """Rows by their names.

    Args:
        what: What a row is, in messages and in the names of rows: `sampler.ddim`.
        rows: The rows.
        always: The names of those that count for every job whose stage reads the registry.
    """

    def __init__(self, what: str, rows: Mapping[str, Row], always: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self.what, self.always = what, tuple(always)
        REGISTRIES[what] = self


REGISTRIES: dict[str, Registry[Any]] = {}
"""Every registry, by what its rows are."""


class OneOf:
    """Marks a field of a section as the name of a row: `Annotated[str, OneOf(SAMPLERS)]`.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(Annotated[source, AfterValidator(self._known)])

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": [*self.registry]}

    def _known(self, name: str) -> str:
        if name not in self.registry:
            raise ValueError(f"{name!r} is no {self.registry.what}; there are {', '.join(self.registry)}")
        return name


def rows_in(content: Any) -> list[str]:
    """The rows that sections name, as "sampler.ddim", sorted.

    Args:
        content: A section, or mappings and lists of sections; anything else names none.
    """
    return sorted(set(_rows(content)))


def _rows(content: Any) -> Iterator[str]:
    if isinstance(content, BaseModel):
        marked = _marked(type(content))
        for field in type(content).model_fields:
            value = getattr(content, field, None)
            yield from _rows(value)
            for registry in marked.get(field, ()):
                yield from (f"{registry.what}.{name}" for name in _texts(value) if name in registry)
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _rows(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _rows(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


@cache
def _marked(section: type[BaseModel]) -> dict[str, list[Registry[Any]]]:
    """By the fields of a class of sections that name rows, the registries of these."""
    found = {
        name: [mark.registry for mark in [*field.metadata, *_marks(field.annotation)] if isinstance(mark, OneOf)]
        for name, field in section.model_fields.items()
    }
    return {name: registries for name, registries in found.items() if registries}


def _marks(annotation: Any) -> Iterator[Any]:
    """All that stands in `Annotated` within an annotation."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        if not isinstance(part, type) or get_args(part):
            yield from _marks(part)
