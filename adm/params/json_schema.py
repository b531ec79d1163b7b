"""The JSON schema of params files as people write them; editors use it to complete keys and to underline mistakes.

It is the schema of written-out files plus everything that writing out removes: bases, sweeps, seeds, iterations, roots
of URLs, and null, which removes an entry of a base. Outside tables and figures it requires nothing, because a base, a
sweep or the paper may give what an entry lacks. `adm check` reports what is missing.
"""

import json
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from adm.paper import claims as claims_of_paper
from adm.params.bases import BASE, SWEEP
from adm.params.expansion import ROOT
from adm.params.figures import AnyFigureParams
from adm.params.models import TrainingSeeds
from adm.params.references import NAMES, NoSource
from adm.params.schema import Params, params_class
from adm.params.section import Section, introduced_defaults
from adm.params.seeds import SEEDED, SEEDS
from adm.params.sweeps import ITERATION, NOT_SWEPT, names_checkpoints
from adm.params.tables import KINDS, AnyTableParams

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The dialect that most editors support."""

WRITTEN_WHOLE = frozenset(
    section.__name__ for section in (NoSource, *get_args(AnyTableParams), *get_args(AnyFigureParams))
)
"""Sections to which nothing is added, so their required fields stay required."""

AXIS = {"type": "array", "minItems": 1, "items": {"not": {"type": "object"}}, "description": "Values, an entry each."}

KINDS_OF_SEEDS = list(TrainingSeeds.model_fields)
SEEDS_OF_TRAINING = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"type": "integer", "minimum": 0},
    "description": "Trains a copy from each seed; a run of it becomes a run of each copy, and its key their group's.",
}
THREE_SEEDS = {
    "type": "object",
    "properties": {kind: {"anyOf": [{"type": "integer", "minimum": 0}, SEEDS_OF_TRAINING]} for kind in KINDS_OF_SEEDS},
    "required": KINDS_OF_SEEDS,
    "additionalProperties": False,
    "description": "Of each kind a seed or several: any two seeds of two kinds meet in one copy, as in a Latin square.",
}


def render() -> str:
    """The schema, as the text of a file."""
    _, schema = models_json_schema([(params_class(), "validation")], ref_template="#/definitions/{model}")
    definitions = {name: _as_written(name, section) for name, section in schema["$defs"].items()}
    sections = definitions.pop(Params.__name__)["properties"]
    for name, section in sections.items():
        _open(name, section, definitions)
    for definition in definitions.values():
        _let_one_stand_for_several(definition)
    _open_published(definitions["PublishedSection"]["properties"])
    _tell_claims(sections["claims"], definitions)
    definitions["Axis"] = AXIS
    whole = {
        "$schema": DIALECT,
        "title": "A params file",
        "type": "object",
        "properties": {
            BASE: {"type": "string", "minLength": 1, "description": "A params file that this one differs from."},
            **{name: _or_null(section) for name, section in sections.items()},
        },
        "additionalProperties": False,
        "definitions": dict(sorted(definitions.items())),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def introduced() -> str:
    """The text of `INTRODUCED`: what it records, and the defaults of fields that are new since it was written."""
    found: dict[str, Any] = {}
    waiting = Section.__subclasses__()
    while waiting:
        section = waiting.pop()
        waiting += section.__subclasses__()
        if section.__module__.startswith("adm.params."):
            found[section.__name__] = introduced_defaults(section)
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _as_written(name: str, section: Schema) -> Schema:
    """A definition without titles (they repeat names), required fields and discriminators."""
    cleaned = _cleaned(section)
    assert isinstance(cleaned, dict)
    if name not in WRITTEN_WHOLE:
        cleaned.pop("required", None)
    return cleaned


def _cleaned(part: Any) -> Any:
    if isinstance(part, list):
        return [_cleaned(one) for one in part]
    if not isinstance(part, dict):
        return part
    cleaned: Schema = {}
    for name, value in part.items():
        match name:
            case "properties":
                cleaned[name] = {key: _cleaned(one) for key, one in value.items()}
            case "title" | "discriminator":
                continue
            case "default" if isinstance(value, dict):
                continue  # a section's own fields tell its kind
            case "oneOf":  # an entry without `kind` may fit several sections
                cleaned["anyOf"] = _cleaned(value)
            case "patternProperties":
                cleaned |= {name: {key: _cleaned(one) for key, one in value.items()}, "additionalProperties": False}
            case "description":
                cleaned[name] = " ".join(value.split())
            case _:
                cleaned[name] = _cleaned(value)
    return cleaned


def _open(name: str, section: Schema, definitions: dict[str, Schema]) -> None:
    """Allow a section's entries to be null (in a file with a base) and to have sweeps and iterations."""
    for pattern, entry in section.get("patternProperties", {}).items():
        section["patternProperties"][pattern] = _or_null(entry)
        if name == "tables":
            own = definitions["OwnTableParams"]
            own["properties"]["rows"].pop("minLength", None)
            section["properties"] = {key: _or_null(_only(entry, kind, definitions)) for key, kind in KINDS.items()}
        elif name not in NOT_SWEPT:
            for one in entry.get("anyOf", [entry]):
                _let_sweep(definitions[_named(one)], names_checkpoints(name))
                if name in SEEDED:
                    definitions[_named(one)]["properties"][SEEDS] = _or_null(
                        {"anyOf": [SEEDS_OF_TRAINING, THREE_SEEDS]} if name == "models" else SEEDS_OF_TRAINING
                    )


def _let_one_stand_for_several(part: Any) -> None:
    """Allow lists of one key where several are needed: the key of a sweep stands for all of its entries."""
    if isinstance(part, dict):
        if "minItems" in part and any(NAMES in one for one in (part["items"], *part["items"].get("anyOf", ()))):
            part["minItems"] = 1
        for inner in part.values():
            _let_one_stand_for_several(inner)


def _let_sweep(entry: Schema, is_of_checkpoint: bool) -> None:
    fields, axis = entry["properties"], {"$ref": "#/definitions/Axis"}
    if is_of_checkpoint:
        about = "With a model as checkpoint: the one at this iteration, in place of its last."
        fields[ITERATION] = {"type": "integer", "exclusiveMinimum": 0, "description": about}
    fields[SWEEP] = _or_null(
        {
            "description": "Writes the entry once for each value of a field, or for each choice of several fields'.",
            "type": "object",
            "minProperties": 1,
            "properties": dict.fromkeys(fields, axis),
            "patternProperties": {"^[a-z_]+([.][a-z_]+)+$": axis},
            "additionalProperties": False,
        }
    )


def _open_published(parts: dict[str, Schema]) -> None:
    for name, part in parts.items():
        section = {**part, "patternProperties": {k: _or_null(v) for k, v in part["patternProperties"].items()}}
        parts[name] = _or_null(section)
    parts[ROOT] = {"type": "string", "pattern": "/$", "description": "Stands before every URL that has no scheme."}


def _tell_claims(section: Schema, definitions: dict[str, Schema]) -> None:
    """Add the paper's claims with their statements, for editors to offer."""
    ((pattern, definitions["AnyClaim"]),) = section["patternProperties"].items()
    entry = {"$ref": "#/definitions/AnyClaim"}
    section["patternProperties"] = {pattern: entry}
    section["properties"] = {
        key: {"description": claim["statement"], "allOf": [entry]} for key, claim in claims_of_paper().items()
    }


def _only(union: Schema, kind: str, definitions: dict[str, Schema]) -> Schema:
    """The section of a kind in a union."""
    return next(one for one in union["anyOf"] if definitions[_named(one)]["properties"]["kind"].get("const") == kind)


def _named(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _or_null(schema: Schema) -> Schema:
    return (
        {"anyOf": [*schema["anyOf"], {"type": "null"}]}
        if set(schema) == {"anyOf"}
        else {"anyOf": [schema, {"type": "null"}]}
    )
