"""The base of all sections of the params file: strict, frozen pydantic models."""

from typing import Annotated, Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from adm.params.errors import shown

PositiveInt = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A key of an artifact; it becomes a file name, so it has no slash and no space."""


class Section(BaseModel):
    """A section of the params file: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    DECLARED: ClassVar[frozenset[str]] = frozenset()
    """Fields that decide which jobs exist, but not what a job computes."""

    def values(self) -> dict[str, Any]:
        """The values that differ from the defaults, as plain values; manifests record them.

        A new field with a default therefore does not change them.
        """
        return self.model_dump(mode="json", exclude_defaults=True, exclude=set(self.DECLARED))

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    accepted = ", ".join(cls.model_fields)
                    raise ValueError(f"unknown key {shown(key)} (given {shown(data[key])}); accepted are {accepted}")
        return data


def kinds_of(union: Any) -> tuple[str, ...]:
    """The values of `kind` that distinguish the sections of a union."""
    return tuple(kind for section in get_args(union) for kind in get_args(section.model_fields["kind"].annotation))
