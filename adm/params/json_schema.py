"""The JSON schema of params files as people write them; editors use it to complete keys and to underline mistakes.

It is the schema of written-out files plus everything that writing out removes: bases, defaults, likeness, variants,
sweeps, seeds, iterations, roles, roots of URLs, and null, which removes an entry of a base. Outside tables and figures
it requires nothing, because a base, a default, a sweep or the paper may give what an entry lacks. `adm check` reports
what is missing.
"""

import json
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from adm.config.base import OWN, Config, introduced_defaults
from adm.config.models import TrainingSeeds
from adm.paper import claims as claims_of_paper
from adm.params.bases import BASE, SWEEP, VARIANTS, WHOLE
from adm.params.claims import roles_of_claim
from adm.params.expansion import ROOT
from adm.params.figures import AnyFigureParams, ClassGridParams, RandomGridParams
from adm.params.references import KEY, NAMES, NoSource, sections_of
from adm.params.schema import Params, params_class
from adm.params.seeds import SEEDED, SEEDS
from adm.params.shorthand import DEFAULTS, LIKE, ROLES, entries_of
from adm.params.sweeps import ITERATION, NOT_SWEPT, names_checkpoints
from adm.params.tables import KINDS, AnyTableParams

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The dialect that most editors support."""

WRITTEN_WHOLE = frozenset(
    section.__name__ for section in (NoSource, *get_args(AnyTableParams), *get_args(AnyFigureParams))
)
"""Sections to which nothing is added, so their required fields stay required."""

GRIDS = {RandomGridParams.__name__: ["run"], ClassGridParams.__name__: ["run", "classes"]}
"""Figures of one run, and what tells that they are: the kind follows from it, and defaults may give the rest."""

ROLE = {
    "description": "A key, several keys, or the reason why this scale has none.",
    "anyOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
        {"$ref": f"#/definitions/{NoSource.__name__}"},
        {"type": "null"},
    ],
}

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
    definitions |= {"Axis": AXIS, "Role": ROLE}
    definitions |= {name: {**definitions[name], "required": required} for name, required in GRIDS.items()}
    for name in {one.__name__ for kind in entries_of().values() for one in sections_of(kind)}:
        _let_be_alike(name, definitions[name])
    whole = {
        "$schema": DIALECT,
        "title": "A params file",
        "type": "object",
        "properties": {
            BASE: {"type": "string", "minLength": 1, "description": "A params file that this one differs from."},
            **{name: _or_null(section) for name, section in sections.items()},
            ROLES: _or_null(_roles()),
            DEFAULTS: _or_null(_defaults()),
        },
        "additionalProperties": False,
        "definitions": dict(sorted(definitions.items())),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def introduced() -> str:
    """The text of `INTRODUCED`: what it records, and the defaults of fields that are new since it was written."""
    found: dict[str, Any] = {}
    waiting = Config.__subclasses__()
    while waiting:
        section = waiting.pop()
        waiting += section.__subclasses__()
        if section.__module__.startswith(OWN):
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


def _defaults() -> Schema:
    """The fields that a file may give to all entries of a section."""
    found: Schema = {}
    for (name, *part), kind in entries_of().items():
        kinds = [{"$ref": f"#/definitions/{one.__name__}"} for one in sections_of(kind)]
        own = [{"required": [field]} for field in (LIKE, VARIANTS, SWEEP)]
        fields: Schema = {"type": "object", "not": {"anyOf": own}}
        if name not in WHOLE:  # those require fields, which defaults need not give
            fields["anyOf"] = kinds
        if part:
            whole = found.setdefault(name, {"type": "object", "properties": {}, "additionalProperties": False})
            whole["properties"][part[0]] = fields
        else:
            found[name] = {"description": f"What entries of {name} have that say nothing else.", **fields}
    about = "By sections, fields of all their entries; an entry's own fields win, and mappings are merged."
    return {"description": about, "type": "object", "properties": found, "additionalProperties": False}


def _let_be_alike(name: str, entry: Schema) -> None:
    """Allow an entry to be like another one, which may give it what it needs, and to have variants."""
    change = {
        "type": "object",
        "properties": {field: {"$ref": f"#/definitions/{name}/properties/{field}"} for field in entry["properties"]},
        "patternProperties": {"^[a-z_]+([.][a-z_]+)+$": {}},
        "additionalProperties": False,
    }
    entry["properties"][LIKE] = _or_null(
        {"type": "string", "description": "Another entry of the section, whose fields this one has besides its own."}
    )
    entry["properties"][VARIANTS] = _or_null(
        {
            "description": "Writes the entry once for each name, as KEY-name, with what changes.",
            "type": "object",
            "minProperties": 1,
            "patternProperties": {f"^{KEY.pattern}$": _or_null(change)},
            "additionalProperties": False,
        }
    )
    if required := entry.pop("required", None):
        entry["anyOf"] = [{"required": names} for names in (required, [LIKE], [VARIANTS])]


def _roles() -> Schema:
    """Who plays the roles of the paper's claims, each with the claims that name it."""
    claims: dict[str, list[str]] = {}
    for key, claim in claims_of_paper().items():
        for name in roles_of_claim(claim):
            claims.setdefault(name, []).append(key)
    return {
        "description": "The runs, models and studies that claims of adm/paper/claims.yaml compare.",
        "type": "object",
        "properties": {
            name: {"description": f"Of {', '.join(keys)}.", "allOf": [{"$ref": "#/definitions/Role"}]}
            for name, keys in claims.items()
        },
        "additionalProperties": False,
    }


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
