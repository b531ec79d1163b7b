"""Registries: rows that sections of the params file name, such as samplers and metrics.

A row is code to whom it matters: its values, and the modules of the functions that it names. The digest of a stage's
code holds the rows that a job's sections name, and those that `always` count, so that a new row has nothing run again.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler

from adm.config.marks import marked

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
    """List the rows that sections name, as "sampler.ddim", sorted.

    Args:
        content: A section, or mappings and lists of sections; anything else names none.
    """
    if isinstance(content, BaseModel):
        named = marked(OneOf, type(content), content)
        return sorted({f"{row.ref.registry.what}.{row.key}" for row in named if row.key in row.ref.registry})
    values = content.values() if isinstance(content, Mapping) else content if isinstance(content, list | tuple) else ()
    return sorted({row for value in values for row in rows_in(value)})
