"""Entries of a params file as people write them, and the entries that they stand for.

`defaults` gives fields to all entries of a section. `like: KEY` gives an entry the fields of another one. `variants`
writes an entry once for each change of it, `sweep` once for each value of a field, and a checkpoint that is a model
with either once for each of its models. An entry's own fields win, and mappings are merged.

In a list of runs a key stands for all entries that it begins: that of a sweep, of an entry with variants, or of a run
of a model that has either.
"""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

from pydantic import BaseModel

from adm.config.marks import is_of, sections_of
from adm.errors import accepted
from adm.params.references import KEY, RUNS, Named, visit
from adm.params.schema import kinds_of_entries, params_class
from adm.params.section import count_key, value_key
from adm.params.tables import kind_of_table

BASE, DEFAULTS, LIKE, ROLES = "base", "defaults", "like", "roles"
ITERATION, SEEDS, SWEEP, VARIANTS = "iteration", "seeds", "sweep", "variants"
"""Keys of a params file that a written-out file does not have."""

WHOLE = frozenset({"tables", "figures", "claims"})
"""Sections whose entries replace a base's entries as a whole; entries of other sections change single values."""

Raw = dict[str, Any]

PUBLISHED = "published."
"""Stands before the names of the parts of the section `published`, where sections are told by their names."""

SEEDED = ("models", "gans")
"""Sections whose entries may have seeds."""

SCORED = ("runs", "upsampled_runs", "gan_runs")
"""Sections of runs that are sampled."""

LEAD = "checkpoint"
"""The field of a checkpoint by which a model with variants or a sweep makes an entry for each of its models."""

Entries = dict[str, Raw]
Ends = tuple[str, ...]
Family = dict[str, dict[Ends, str]]
"""The entries that a key stands for, each by what follows the key in its own."""


@cache
def added_fields(section: str) -> tuple[str, ...]:
    """List what an entry of a section may have beside the fields of a written-out entry and the shorthand of all."""
    swept = not section.startswith(PUBLISHED) and section not in WHOLE
    follows = swept and LEAD in _fields_of(_classes_of(section))
    may_have = {ITERATION: follows, SEEDS: section in SEEDED, SWEEP: swept}
    return tuple(name for name, may in may_have.items() if may)


def split(data: Raw) -> Raw:
    """Give the sections of a file by their names, with the parts of `published` as sections of their own.

    Raises:
        ValueError: A section is unknown or holds no entries; the message names it.
    """
    known = [*params_class().model_fields, BASE, DEFAULTS, ROLES]
    for name in data:
        if name not in known:
            raise ValueError(f"{name}: is no section of a params file; {accepted(known, str(name))}")
    kinds, sections = kinds_of_entries(), _parted(data)
    return {name: _checked_entries(name, part) if name in kinds else part for name, part in sections.items()}


def _parted(sections: Raw) -> Raw:
    published = sections.get("published")
    if not isinstance(published, dict):
        return sections
    return _without(sections, "published") | {f"{PUBLISHED}{name}": part for name, part in published.items()}


def _checked_entries(section: str, entries: Any) -> Entries:
    if not isinstance(entries, dict):
        raise ValueError(f"{section}: {entries!r} is not accepted; write entries by their keys")
    named = {key if isinstance(key, str) else repr(key): entry for key, entry in entries.items()}
    for key, entry in named.items():
        if not isinstance(entry, dict) and not (entry is None and section == "claims"):
            raise ValueError(f"{section}.{key}: {entry!r} is not accepted; write fields and their values")
        if isinstance(entry, dict) and (variants := entry.get(VARIANTS)) is not None:
            _check_variants(f"{section}.{key}.{VARIANTS}", variants)
    return named


def _check_variants(place: str, variants: Any) -> None:
    are_ends = isinstance(variants, dict) and all(isinstance(name, str) and KEY.fullmatch(name) for name in variants)
    if not are_ends or not variants or not all(isinstance(changes, dict) for changes in variants.values()):
        wanted = "ends of keys, of a to z, digits, _ and -, and what each changes, {} if nothing"
        raise ValueError(f"{place}: {variants!r} is not accepted; write {wanted}")


def write_out_entries(sections: Raw) -> None:
    """Write out the entries of all sections, in place.

    Raises:
        ValueError: A default, likeness, a variant, a sweep, a checkpoint or an iteration is invalid; the message names
            the place.
    """
    defaults = _checked_defaults(sections.pop(DEFAULTS, None))
    begun: dict[str, list[str]] = {}
    models = Models({}, {}, {})
    # Runs follow models and published checkpoints.
    kinds = kinds_of_entries()
    first = [name for name in kinds if name.startswith(PUBLISHED) or name == "models"]
    for section in (*first, *(name for name in kinds if name not in first)):
        if section not in sections:
            continue
        entries, family = _written(section, sections[section], defaults.get(section, {}), models)
        if section in WHOLE:
            runs = {key for name in SCORED for key in sections.get(name, {})}
            stand = {key: several for key, several in begun.items() if key not in runs}
            entries = {key: visit(kinds[section], entry, partial(_all_of, stand)) for key, entry in entries.items()}
        sections[section] = entries
        if section == f"{PUBLISHED}checkpoints":
            models = models._replace(adopted=entries)
        elif section == "models":
            models = models._replace(entries=entries, family=family)
        elif section in (*SCORED, f"{PUBLISHED}samples"):
            for key, members in family.items():
                begun.setdefault(key, []).extend(members.values())
    for key, entry in models.entries.items():  # one may begin with another, whichever stands first
        last = partial(models._last_of_others, f"models.{key}")
        sections["models"][key] = visit(kinds["models"], entry, last)


def _all_of(begun: Mapping[str, list[str]], named: Named) -> list[str]:
    """Give the runs that stand for a key in a list."""
    return begun.get(named.key, [named.key]) if named.listed and named.ref.of in RUNS else [named.key]


def _written(section: str, given: Entries, defaults: Raw, models: "Models") -> tuple[Entries, Family]:
    """Write out the entries of a section, and tell which a key stands for."""
    made_by, entries, family = dict[str, str](), Entries(), Family()
    for key, entry in _likened(section, given).items():
        for variant, varied in _varied(entry).items():
            name = "-".join([key, *variant])
            place = ".".join([key, VARIANTS, *variant] if variant else [key])
            whole = _with_defaults(section, defaults, _with_kind(section, name, varied))
            for swept, single in _swept(section, f"{section}.{name}", whole):
                for model, followed in models.followed(section, f"{section}.{name}", single):
                    parts = (key, *variant, *model, *swept)
                    full = "-".join(parts)
                    if full in entries:
                        maker = place if made_by[full] == full else made_by[full]
                        also = f"{section}.{maker} gives this key, too; change it there, or take another key"
                        raise ValueError(f"{section}.{full}: {also}")
                    entries[full], made_by[full] = followed, place
                    for number in range(1, len(parts)):
                        family.setdefault("-".join(parts[:number]), {})[parts[number:]] = full
    return entries, family


def merged(base: Raw, changes: Raw) -> Raw:
    """Apply changes to a mapping, also within the mappings that it holds; null is a value, and a sweep is whole."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict) and key != SWEEP
        result[key] = merged(result[key], value) if both else value
    return result


def _without(entry: Raw, *names: str) -> Raw:
    return {name: value for name, value in entry.items() if name not in names}


def _nested(changes: Raw) -> Raw:
    """Nest changes with dotted fields, as `network.channels`, in mappings."""
    result: Raw = {}
    for name, value in changes.items():
        whole = value
        for part in reversed(str(name).split(".")):
            whole = {part: whole}
        result = merged(result, whole)
    return result


Classes = tuple[type[BaseModel], ...]


@cache
def _classes_of(section: str) -> Classes:
    return tuple(sections_of(kinds_of_entries()[section]))


@cache
def _fields_of(classes: Classes) -> dict[str, Classes]:
    """Give the fields of some classes of sections, each with the classes of sections that it may hold."""
    fields: dict[str, Classes] = {}
    for section in classes:
        for name, field in section.model_fields.items():
            fields[name] = (*fields.get(name, ()), *sections_of(field.annotation))
    return fields


def _checked_defaults(defaults: Any) -> dict[str, Raw]:
    """Give the defaults of entries, by the names of their sections."""
    if defaults is None:
        return {}
    if not isinstance(defaults, dict):
        raise ValueError(f"{DEFAULTS}: {defaults!r} is not accepted; write sections, as {{runs: {{seed: 1}}}}")
    by_section = _parted(defaults)
    for name, fields in by_section.items():
        place = f"{DEFAULTS}.{name}"
        if name not in kinds_of_entries():
            known = sorted(kinds_of_entries())
            raise ValueError(f"{place}: is no section whose entries have defaults; {accepted(known, str(name))}")
        if not isinstance(fields, dict):
            raise ValueError(f"{place}: {fields!r} is not accepted; write fields of its entries and their values")
    return by_section


def _with_defaults(section: str, defaults: Raw, entry: Raw) -> Raw:
    """Add the defaults of a section to an entry, those that its kind has fields for."""
    if not defaults:
        return entry
    whole, classes = merged(defaults, entry), _classes_of(section)
    its = tuple(one for one in classes if is_of(one, whole))
    added = {name: defaults[name] for name in added_fields(section) if name in defaults and name != SWEEP}
    fields = _without(defaults, *added)
    return merged(added | _had(f"{DEFAULTS}.{section}", classes, its, fields), entry) if its else whole


def _had(place: str, classes: Classes, its: Classes, fields: Raw) -> Raw:
    """Keep the fields, also within others, that some classes have; any other field one of all classes must have."""
    known, own, result = _fields_of(classes), _fields_of(its), Raw()
    for name, value in fields.items():
        if name not in known:
            raise ValueError(f"{place}.{name}: is no field there; {accepted([*known], str(name))}")
        if name in own:
            nested = isinstance(value, dict) and own[name]
            result[name] = _had(f"{place}.{name}", known[name], own[name], value) if nested else value
    return result


def _with_kind(section: str, key: str, entry: Raw) -> Raw:
    """Add the kind of a table, which follows from its key, or of a figure of one run, which is a grid."""
    if section == "tables":
        return {"kind": kind_of_table(key), **entry}
    if section == "figures" and "run" in entry:
        return {"kind": "class_grid" if "classes" in entry else "random_grid", **entry}
    return entry


def _likened(section: str, entries: Entries) -> Entries:
    """Add to entries the fields of those that they are like; sweeps and variants are not among these."""
    done = Entries()

    def whole(key: str, chain: list[str]) -> Raw:
        if key in chain:
            raise ValueError(f"{section}.{chain[-1]}.like: {key!r} is a circle, {' -> '.join([*chain, key])}")
        if key not in done:
            other, own = entries[key].get(LIKE), _without(entries[key], LIKE)
            if other is not None:
                if not isinstance(other, str) or other not in entries:
                    known = [name for name in entries if name != key]
                    raise ValueError(f"{section}.{key}.like: {other!r} is not there; {accepted(known, str(other))}")
                own = merged(_without(whole(other, [*chain, key]), SWEEP, VARIANTS), own)
            done[key] = own
        return done[key]

    return {key: whole(key, []) for key in entries}


def _varied(entry: Raw) -> dict[Ends, Raw]:
    """Give the variants of an entry, by the ends of their keys; without any, the entry itself."""
    rest, variants = _without(entry, VARIANTS), entry.get(VARIANTS)
    if variants is None:
        return {(): rest}
    return {(name,): merged(rest, _nested(changes)) for name, changes in variants.items()}


def _swept(section: str, place: str, entry: Raw) -> Iterator[tuple[Ends, Raw]]:
    """Give the entries from a sweep, by the ends of their keys; without one, the entry itself."""
    if SWEEP not in added_fields(section):
        yield (), entry
        return
    axes, rest = entry.get(SWEEP), _without(entry, SWEEP)
    if axes is None:  # null removes a sweep that the entry has from an alias
        yield (), rest
        return
    if not isinstance(axes, dict) or not axes:
        raise ValueError(f"{place}.{SWEEP}: {axes!r} is not accepted; write fields and lists of their values")
    for field, values in axes.items():
        several = isinstance(values, list) and values
        if not several or any(isinstance(value, dict) or not value_key(value) for value in values):
            raise ValueError(f"{place}.{SWEEP}.{field}: {values!r} is not accepted; list numbers, words or lists")
    for values in product(*axes.values()):
        yield ("-".join(map(value_key, values)),), merged(rest, _nested(dict(zip(axes, values, strict=True))))


class Models(NamedTuple):
    """The models and checkpoints that entries may name: a model means its last checkpoint, or that at `iteration`.

    Attributes:
        entries: The models, written out.
        family: The models that a key stands for, of variants or a sweep.
        adopted: The published checkpoints.
    """

    entries: Entries
    family: Family
    adopted: Entries

    def followed(self, section: str, place: str, entry: Raw) -> Iterator[tuple[Ends, Raw]]:
        """Yield an entry with checkpoints in place of models, once for each model that its checkpoint stands for."""
        if ITERATION not in added_fields(section):
            yield (), entry
            return
        iteration, name = entry.get(ITERATION), entry.get(LEAD)
        entry = visit(kinds_of_entries()[section], _without(entry, ITERATION), partial(self._last_of_others, place))
        if not isinstance(name, str):
            yield (), entry
            return
        if iteration is not None and (not isinstance(iteration, int) or isinstance(iteration, bool)):
            raise ValueError(f"{place}.{ITERATION}: {iteration!r} is not accepted; write a whole number")
        models = {(): name} if name in self.entries else self.family.get(name, {})
        if not models and iteration is not None:
            known = [*self.entries, *self.family]
            raise ValueError(f"{place}.{LEAD}: {name!r} is no model, as {ITERATION} needs; {accepted(known, name)}")
        for ends, model in models.items():
            end = self._last(f"{place}.{LEAD}", model) if iteration is None else f"{model}-{count_key(iteration)}"
            yield ends, {**entry, LEAD: end}
        if not models:
            yield (), entry

    def _last_of_others(self, place: str, named: Named) -> list[str]:
        """Give the last checkpoint of a model that another field than the first names."""
        is_model = named.ref.of == "checkpoints" and named.key in self.entries and named.field != LEAD
        return [self._last(f"{place}.{named.field}", named.key) if is_model else named.key]

    def _last(self, place: str, model: str) -> str:
        if stops := stops_of(model, self.entries[model]):
            return f"{model}-{value_key(stops[-1])}"  # what is no number is refused where it stands
        adopted = [key for key, entry in self.adopted.items() if entry.get("model") == model]
        if len(adopted) == 1:
            return adopted[0]
        several = f"{len(adopted)} published ones" if adopted else "no published one"
        raise ValueError(f"{place}: model {model!r} has no last checkpoint: it lists no checkpoints, and has {several}")


def stops_of(key: str, model: Raw) -> list[Any]:
    """List the iterations of a model's checkpoints.

    Raises:
        ValueError: They are no list.
    """
    stops = model.get("checkpoints", [])
    if not isinstance(stops, list):
        raise ValueError(f"models.{key}.checkpoints: {stops!r} is not accepted: write a list, as [{stops}]")
    return stops
