"""The JSON schema of params files as people write them; editors use it to complete keys and to underline mistakes.

It is the schema of written-out files plus everything that writing out removes: bases, defaults, likeness, variants,
sweeps, seeds, iterations, roles, roots of URLs, and null, which removes an entry of a base. It requires nothing: what
an entry lacks, a base, a default, a sweep or the paper may give. `adm check` reports what is missing.
"""

import json
from typing import Any, Literal, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from adm.config.base import OWN, Config, Seed, introduced_defaults
from adm.config.marks import sections_of
from adm.paper import claims as claims_of_paper
from adm.params.claims import roles_of_claim
from adm.params.entries import DEFAULTS, ITERATION, LIKE, PUBLISHED, ROLES, SEEDS, added_fields
from adm.params.expansion import ROOT
from adm.params.reading import BASE, SWEEP, VARIANTS
from adm.params.references import KEY, NAMES
from adm.params.schema import Params, kinds_of_entries, params_class
from adm.params.section import Section
from adm.params.tables import KINDS, AnyTableParams

Schema = dict[str, Any]

DOTTED = "^[a-z_]+([.][a-z_]+)+$"
"""Fields within fields, as `network.channels`."""

Role = str | list[str] | dict[Literal["none"], str] | None
Seeds = list[Seed] | dict[Literal["weights", "data", "noise"], Seed | list[Seed]] | None

DESCRIBED: dict[str, Schema] = {
    "Axis": {
        "type": "array",
        "minItems": 1,
        "items": {"not": {"type": "object"}},
        "description": "Values, an entry each.",
    },
    "Role": {
        "description": "A key, several keys, or the reason why this scale has none.",
        **TypeAdapter(Role).json_schema(),
    },
    "Seeds": {
        "description": "Trains a copy from each seed; a run of it becomes a run of each, and its key their group's.",
        **TypeAdapter(Seeds).json_schema(),
    },
}
"""What a written-out file has not, by its name in the schema."""


def render() -> str:
    """Give the schema, as the text of a file."""
    _, schema = models_json_schema([(params_class(), "validation")], ref_template="#/definitions/{model}")
    classes, definitions = _classes(), dict[str, Schema]()
    for name, section in schema["$defs"].items():
        definitions[name] = {**_cleaned(section), "description": _description(classes[name])}
    sections = definitions.pop(Params.__name__)["properties"]
    published = definitions["PublishedSection"]["properties"]
    for entries in (*sections.values(), *published.values()):
        for pattern, entry in entries.get("patternProperties", {}).items():  # null takes away an entry of a base
            entries["patternProperties"][pattern] = _or_null(entry)
    for name, kind in kinds_of_entries().items():
        for one in sections_of(kind):
            _add_shorthand(name, one, definitions[one.__name__])
    tables = {kind: one for one in get_args(AnyTableParams) for kind in get_args(one.model_fields["kind"].annotation)}
    sections["tables"]["properties"] = {key: _or_null(_reference(tables[kind])) for key, kind in KINDS.items()}
    ((pattern, definitions["AnyClaim"]),) = sections["claims"]["patternProperties"].items()
    claim = {"$ref": "#/definitions/AnyClaim"}
    sections["claims"]["patternProperties"] = {pattern: claim}
    sections["claims"]["properties"] = {
        key: {"description": paper["statement"], "allOf": [claim]} for key, paper in claims_of_paper().items()
    }
    definitions["PublishedSection"]["properties"] = {
        **{part: _or_null(entries) for part, entries in published.items()},
        ROOT: {"type": "string", "pattern": "/$", "description": "Stands before every URL that has no scheme."},
    }
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the dialect that most editors support
        "title": "A params file",
        "type": "object",
        "properties": {
            BASE: {"type": "string", "minLength": 1, "description": "A params file that this one differs from."},
            **{name: _or_null(section) for name, section in sections.items()},
            ROLES: _or_null(_roles()),
            DEFAULTS: _or_null(_defaults()),
        },
        "additionalProperties": False,
        "definitions": dict(sorted({**definitions, **DESCRIBED}.items())),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def introduced() -> str:
    """Give the text of `INTRODUCED`: what it records, and the defaults of fields that are new since it was written."""
    own = {name: section for name, section in _classes().items() if section.__module__.startswith(OWN)}
    recorded = {name: introduced_defaults(section) for name, section in own.items()}
    return json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _classes(base: type[Config] = Config) -> dict[str, type[Config]]:
    """Give all classes of sections, by their names."""
    classes = {section.__name__: section for section in base.__subclasses__()}
    for section in list(classes.values()):
        classes |= _classes(section)
    return classes


def _description(section: type[Config]) -> str:
    """Tell what a section is, and what the classes are that it has its fields from."""
    docs = [one.__doc__ for one in section.__mro__ if issubclass(one, Config) and one not in (Config, Section)]
    return " ".join(dict.fromkeys(" ".join(doc.split()) for doc in docs if doc))


def _cleaned(part: Any) -> Any:
    """Clean a part of a schema of what holds of written-out files alone, and of titles, which repeat names."""
    if isinstance(part, list):
        return [_cleaned(one) for one in part]
    if not isinstance(part, dict):
        return part
    skipped = {"title", "discriminator", "required"}
    if isinstance(part.get("default"), dict):  # a section's own fields tell its kind
        skipped.add("default")
    cleaned: Schema = {}
    for name, value in part.items():
        if name in ("properties", "patternProperties"):
            cleaned[name] = {key: _cleaned(one) for key, one in value.items()}
        elif name not in skipped:  # an entry without `kind` may fit several sections
            cleaned["anyOf" if name == "oneOf" else name] = _cleaned(value)
    if "patternProperties" in cleaned:
        cleaned["additionalProperties"] = False
    if "minItems" in cleaned and any(NAMES in one for one in (cleaned["items"], *cleaned["items"].get("anyOf", ()))):
        cleaned["minItems"] = 1  # the key of a sweep stands for all of its entries
    return cleaned


def _add_shorthand(section: str, kind: type[BaseModel], entry: Schema) -> None:
    """Add what an entry may have that a written-out one has not."""
    fields, axis, added = entry["properties"], {"$ref": "#/definitions/Axis"}, added_fields(section)
    if ITERATION in added:
        about = "With a model as checkpoint: the one at this iteration, in place of its last."
        fields[ITERATION] = {"type": "integer", "exclusiveMinimum": 0, "description": about}
    if SWEEP in added:
        about = "Writes the entry once for each value of a field, or for each choice of several fields'."
        fields[SWEEP] = _or_null(_mapping(about, dict.fromkeys(fields, axis), {DOTTED: axis}))
    if SEEDS in added:
        fields[SEEDS] = {"$ref": "#/definitions/Seeds"}
    own = {field: {"$ref": f"#/definitions/{kind.__name__}/properties/{field}"} for field in fields}
    change = {"type": "object", "properties": own, "patternProperties": {DOTTED: {}}, "additionalProperties": False}
    fields[LIKE] = _or_null(
        {"type": "string", "description": "Another entry of the section, whose fields this one has besides its own."}
    )
    about = "Writes the entry once for each name, as KEY-name, with what changes."
    fields[VARIANTS] = _or_null(_mapping(about, {}, {f"^{KEY.pattern}$": _or_null(change)}))


def _mapping(description: str, properties: Schema, patterns: Schema) -> Schema:
    """Give a mapping of one value or more."""
    return {
        "description": description,
        "type": "object",
        "minProperties": 1,
        **({"properties": properties} if properties else {}),
        "patternProperties": patterns,
        "additionalProperties": False,
    }


def _defaults() -> Schema:
    """Give the fields that a file may give to all entries of a section."""
    sections: Schema = {}
    for section, kind in kinds_of_entries().items():
        sections[section] = {
            "description": f"What entries of {section} have that say nothing else.",
            "type": "object",
            "anyOf": [_reference(one) for one in sections_of(kind)],
            "not": {"anyOf": [{"required": [field]} for field in (LIKE, VARIANTS, SWEEP)]},
        }
    parts = {name.removeprefix(PUBLISHED): sections.pop(name) for name in [*sections] if name.startswith(PUBLISHED)}
    sections["published"] = {"type": "object", "properties": parts, "additionalProperties": False}
    about = "By sections, fields of all their entries; an entry's own fields win, and mappings are merged."
    return {"description": about, "type": "object", "properties": sections, "additionalProperties": False}


def _roles() -> Schema:
    """Tell who plays the roles of the paper's claims, each with the claims that name it."""
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


def _reference(section: type[BaseModel]) -> Schema:
    return {"$ref": f"#/definitions/{section.__name__}"}


def _or_null(schema: Schema) -> Schema:
    several = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return {"anyOf": [*several, {"type": "null"}]}
