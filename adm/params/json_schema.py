"""The JSON schema of params files as people write them: by it editors complete keys, and underline most mistakes.

It is the schema of written-out files, and what writing out removes, of which it knows the names alone. It requires
nothing: what an entry lacks, a base, a default, a sweep or the paper may give. `adm check` tells every mistake.
"""

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from adm.config.base import OWN, Config, introduced_defaults
from adm.config.marks import sections_of
from adm.params.entries import BASE, DEFAULTS, ITERATION, LIKE, ROLES, SEEDS, SWEEP, VARIANTS, added_fields
from adm.params.expansion import ROOT
from adm.params.schema import Params, kinds_of_entries, params_class
from adm.params.section import Section

Schema = dict[str, Any]

SHORTHAND = {
    LIKE: "Another entry of the section, whose fields this one has besides its own.",
    VARIANTS: "Writes the entry once for each name, as KEY-name, with what changes.",
    SWEEP: "Writes the entry once for each value of a field, or for each choice of several fields'.",
    SEEDS: "Trains a copy from each seed; a run of it becomes a run of each, and its key their group's.",
    ITERATION: "With a model as checkpoint: the one at this iteration, in place of its last.",
}
"""Fields that an entry may have and a written-out one has not, with what they do."""


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
        added = {field: {"description": SHORTHAND[field]} for field in (LIKE, VARIANTS, *added_fields(name))}
        for one in sections_of(kind):
            definitions[one.__name__]["properties"] |= added
    for part, entries in published.items():
        published[part] = _or_null(entries)
    published[ROOT] = {"type": "string", "description": "Stands before every URL that has no scheme."}
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the dialect that most editors support
        "title": "A params file",
        "type": "object",
        "properties": {
            BASE: {"type": "string", "minLength": 1, "description": "A params file that this one differs from."},
            **{name: _or_null(section) for name, section in sections.items()},
            ROLES: {
                "type": ["object", "null"],
                "description": "What claims of the paper compare, by roles.",
            },
            DEFAULTS: {"type": ["object", "null"], "description": "By sections, fields of all their entries."},
        },
        "additionalProperties": False,
        "definitions": dict(sorted(definitions.items())),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def introduced() -> str:
    """Give the text of `INTRODUCED`: what it records, and the defaults of fields that are new since it was written."""
    own = {name: section for name, section in _classes().items() if section.__module__.startswith(OWN)}
    recorded = {name: introduced_defaults(section) for name, section in own.items()}
    return json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _classes(base: type[Config] = Config) -> dict[str, type[Config]]:
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
    if "minItems" in cleaned:
        cleaned["minItems"] = 1  # the key of a sweep stands for all of its entries
    return cleaned


def _or_null(schema: Schema) -> Schema:
    several = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return {"anyOf": [*several, {"type": "null"}]}
