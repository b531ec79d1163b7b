"""The base of all configuration: strict, frozen pydantic models."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adm.errors import accepted

PositiveInt = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


def _increasing(values: list[Any]) -> list[Any]:
    if sorted(set(values)) != values:
        raise ValueError(f"{values} must increase")
    return values


def _distinct(values: list[Any]) -> list[Any]:
    if repeated := [one for one in values if values.count(one) > 1]:
        raise ValueError(f"{repeated[0]!r} stands twice; each must differ")
    return values


Increasing, Distinct = AfterValidator(_increasing), AfterValidator(_distinct)
"""Mark a list whose values must increase, or differ."""

Classes = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Distinct]
"""Numbers of classes."""

INTRODUCED = Path(__file__).with_name("introduced.json")
"""By classes of sections, the defaults that their fields were introduced with. `adm schema` adds those of new fields,
and changes none: so a result that was made with another default than today's is told from today's."""


class Config(BaseModel):
    """A part of the configuration: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    DECLARED: ClassVar[frozenset[str]] = frozenset()
    """Fields that decide which jobs exist, but not what a job computes."""

    def values(self) -> dict[str, Any]:
        """Give the values that differ from the defaults that fields were introduced with, as plain values.

        Manifests and triggers hold them. A new field with a default does not change them; another default of a field
        does, wherever it is taken. They are in the order of their names: engines compare their text, and a field may
        move from one class to another.
        """
        return {name: value for name, value in _told(self).items() if name not in self.DECLARED}

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {key!r}; {accepted(list(cls.model_fields), str(key))}")
        return data


OWN = ("adm.config.", "adm.params.")
"""The packages whose classes' defaults are recorded."""


@cache
def introduced_defaults(section: type[Config]) -> dict[str, Any]:
    """Give the defaults that fields of a class were introduced with, as plain values; today's of new fields."""
    recorded = _recorded().get(section.__name__, {}) if section.__module__.startswith(OWN) else {}
    return {
        name: recorded.get(name, _told(field.get_default(call_default_factory=True)))
        for name, field in section.model_fields.items()
        if not field.is_required()
    }


@cache
def _recorded() -> dict[str, dict[str, Any]]:
    recorded: dict[str, dict[str, Any]] = json.loads(INTRODUCED.read_text(encoding="utf-8"))
    return recorded


def _told(content: Any) -> Any:
    """Give plain values, of sections with the fields that only decide which jobs exist."""
    if isinstance(content, Config):
        names = (name for name in sorted(type(content).model_fields) if name in vars(content))
        values, introduced = {name: _told(vars(content)[name]) for name in names}, introduced_defaults(type(content))
        return {name: value for name, value in values.items() if name not in introduced or value != introduced[name]}
    if isinstance(content, Mapping):
        return {key: _told(one) for key, one in content.items()}
    return [_told(one) for one in content] if isinstance(content, list | tuple) else content


def plain(content: Any) -> Any:
    """Turn a section, or a mapping of some, into plain values: those of `Config.values`."""
    if isinstance(content, Config):
        return content.values()
    return {key: plain(one) for key, one in content.items()} if isinstance(content, Mapping) else content
