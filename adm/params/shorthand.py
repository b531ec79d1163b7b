"""What entries of params files have in common: defaults of a section, likeness, and variants.

`defaults` gives fields to all entries of a section. `like: KEY` gives an entry the fields of another one. `variants`
writes an entry once for each change of it. In all of them an entry's own fields win, and mappings are merged. Bases are
merged before, sweeps are written out after.
"""

from collections.abc import Mapping
from typing import Any, get_args

from adm.errors import accepted, one_line, shown
from adm.params.bases import BASE, SWEEP, VARIANTS, merged
from adm.params.figures import with_kinds_of_grids
from adm.params.references import KEY, fields_of, is_of, sections_of
from adm.params.schema import params_class
from adm.params.seeds import SEEDED, SEEDS
from adm.params.sweeps import ITERATION, NOT_SWEPT, names_checkpoints
from adm.params.tables import with_kinds as with_kinds_of_tables

DEFAULTS, LIKE, ROLES = "defaults", "like", "roles"
"""Keys of a params file that a written-out file does not have."""

MOST_ALIKE = 100
"""Most entries of which each is like the next."""

Raw = dict[str, Any]
Place = tuple[str, ...]


def entries_of() -> dict[Place, Any]:
    """The annotations of the entries of every section that holds sections, by the section's place in the file."""
    found: dict[Place, Any] = {}
    for name, field in params_class().model_fields.items():
        inner = sections_of(field.annotation)
        places: dict[Place, Any] = {(name, part): kinds[0] for part, kinds in fields_of(*inner).items()}
        for place, kind in {(name,): field.annotation, **places}.items():
            if len(arguments := get_args(kind)) == 2 and sections_of(arguments[1]):
                found[place] = arguments[1]
    return found


def check_sections(data: Raw) -> None:
    """Refuse a section that a params file has not.

    Raises:
        ValueError: The message names it and the nearest.
    """
    known = [*params_class().model_fields, BASE, DEFAULTS, ROLES]
    for name in data:
        if name not in known:
            raise ValueError(f"{one_line(str(name))}: is no section of a params file; {accepted(known, str(name))}")


def write_out_shorthand(written: Raw) -> dict[str, dict[str, list[str]]]:
    """Write out defaults, likeness and variants of a file, in place.

    Returns:
        By sections, the keys of the variants of each entry that has some.

    Raises:
        ValueError: One is invalid; the message names the place.
    """
    defaults = _checked_defaults(written.pop(DEFAULTS, None))
    variants: dict[str, dict[str, list[str]]] = {}
    known = entries_of()
    for place, kind in known.items():
        if isinstance(entries := _at(written, place), dict):
            name = ".".join(place)
            entries, variants[name] = _varied(place, kind, _likened(name, entries))
            _set(written, place, entries)
    for name, with_kinds in (("tables", with_kinds_of_tables), ("figures", with_kinds_of_grids)):
        if name in written:
            written[name] = with_kinds(written[name])
    for place, fields in defaults.items():
        if isinstance(entries := _at(written, place), dict):
            _set(written, place, _with_defaults(known[place], fields, entries))
    return variants


def _at(data: Any, place: Place) -> Any:
    for name in place:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _set(data: Raw, place: Place, value: Any) -> None:
    """Put a value in a place, in copies of the mappings on the way."""
    first, *rest = place
    if rest:
        data[first] = dict(data[first])
        _set(data[first], tuple(rest), value)
    else:
        data[first] = value


def _checked_defaults(defaults: Any) -> dict[Place, Raw]:
    """The defaults by the places of their sections."""
    found: dict[Place, Raw] = {}
    if defaults is None:
        return found
    if not isinstance(defaults, dict):
        raise ValueError(f"{DEFAULTS}: {shown(defaults)} is not accepted; write sections, as {{runs: {{seed: 1}}}}")
    known = entries_of()
    outer = {place[0] for place in known}
    for name, fields in defaults.items():
        if name not in outer:
            raise ValueError(f"{DEFAULTS}.{name}: is no section whose entries have defaults; {_near(outer, name)}")
        found |= {(name,): fields} if (name,) in known else _parts(name, fields, known)
    for place, fields in found.items():
        where = ".".join([DEFAULTS, *place])
        if not isinstance(fields, dict):
            raise ValueError(f"{where}: {shown(fields)} is not accepted; write fields of its entries and their values")
        for own in (LIKE, VARIANTS, SWEEP):
            if own in fields:
                raise ValueError(f"{where}.{own}: is no default; an entry gives it itself")
        _check_fields(where, fields, [known[place]], _added(place))
    return found


def _parts(name: str, fields: Any, known: Mapping[Place, Any]) -> dict[Place, Raw]:
    """The defaults of the parts of a section, by their places."""
    parts = [place[1] for place in known if place[0] == name]
    if not isinstance(fields, dict):
        raise ValueError(f"{DEFAULTS}.{name}: {shown(fields)} is not accepted; write parts of it: {', '.join(parts)}")
    for part in fields:
        if part not in parts:
            raise ValueError(f"{DEFAULTS}.{name}: {shown(part)} is no part of it; {_near(parts, part)}")
    return {(name, part): inner for part, inner in fields.items()}


def _near(known: Any, name: Any) -> str:
    return accepted(sorted(known), str(name))


def _added(place: Place) -> frozenset[str]:
    """The fields that entries of a section have beside those of a written-out file."""
    (first, *_) = place
    sweep = {SWEEP} if first not in NOT_SWEPT else set()
    iteration = {ITERATION} if sweep and names_checkpoints(first) else set()
    return frozenset({*sweep, *iteration, *({SEEDS} if first in SEEDED else ())})


def _check_fields(place: str, fields: Raw, kinds: list[Any], added: frozenset[str] = frozenset()) -> None:
    """Refuse a field that sections of these kinds have not, also within the sections that they hold."""
    known = fields_of(*kinds)
    for name, value in fields.items():
        if name in added:
            continue
        if name not in known:
            raise ValueError(f"{place}.{name}: is no field there; {accepted([*known, *sorted(added)], str(name))}")
        if isinstance(value, dict) and sections_of(*known[name]):
            _check_fields(f"{place}.{name}", value, known[name])


def _with_defaults(kind: Any, defaults: Raw, entries: Raw) -> Raw:
    """Entries with the defaults of their section; an entry takes those fields that its kind has."""
    result: Raw = {}
    for key, entry in entries.items():
        if not isinstance(entry, dict):
            result[key] = entry
            continue
        whole = merged(defaults, entry)
        classes = [one for one in sections_of(kind) if is_of(one, whole)]
        result[key] = merged(_had(fields_of(kind), fields_of(*classes), defaults), entry) if classes else whole
    return result


def _had(known: dict[str, list[Any]], own: dict[str, list[Any]], fields: Raw) -> Raw:
    """The fields, also within others, that sections of a kind have, of those that sections of any kind have."""
    result: Raw = {}
    for name, value in fields.items():
        if name in own and isinstance(value, dict):
            result[name] = _had(fields_of(*known[name]), fields_of(*own[name]), value)
        elif name in own or name not in known:
            result[name] = value
    return result


def _likened(section: str, entries: Raw) -> Raw:
    """Entries with the fields of those that they are like; sweeps and variants are not among these."""
    done: Raw = {}
    of_variants = {
        f"{key}-{name}": (key, changes)
        for key, entry in entries.items()
        if isinstance(entry, dict) and isinstance(entry.get(VARIANTS), dict)
        for name, changes in entry[VARIANTS].items()
    }

    def whole(key: str, chain: list[str]) -> Any:
        if key in chain:
            raise ValueError(f"{section}.{chain[-1]}.like: {key!r} is a circle, {' -> '.join([*chain, key])}")
        if len(chain) > MOST_ALIKE:
            raise ValueError(f"{section}.{chain[0]}.like: is at the end of more than {MOST_ALIKE} entries like others")
        if key not in done:
            entry = entries[key]
            own = {name: value for name, value in entry.items() if name != LIKE} if isinstance(entry, dict) else entry
            other = entry.get(LIKE) if isinstance(entry, dict) else None
            done[key] = own if other is None else merged(model(other, [*chain, key]), own)
        return done[key]

    def model(other: Any, chain: list[str]) -> Raw:
        if not isinstance(other, str) or (other not in entries and other not in of_variants):
            known = [str(key) for key in (*entries, *of_variants) if key != chain[-1]]
            raise ValueError(f"{section}.{chain[-1]}.like: {shown(other)} is not there; {accepted(known, str(other))}")
        if other in entries:
            found = whole(other, chain)
        else:
            key, changes = of_variants[other]
            found = merged(whole(key, chain), _nested(changes) if isinstance(changes, dict) else {})
        if not isinstance(found, dict):
            raise ValueError(f"{section}.{chain[-1]}.like: {shown(other)} has no fields, but is {shown(found)}")
        return {name: value for name, value in found.items() if name not in (SWEEP, VARIANTS)}

    return {key: whole(key, []) for key in entries}


def _varied(place: Place, kind: Any, entries: Raw) -> tuple[Raw, dict[str, list[str]]]:
    """Entries with variants written out, and the keys of the variants of each entry that has some."""
    section, groups = ".".join(place), dict[str, list[str]]()
    result: Raw = {}
    for key, entry in entries.items():
        where = f"{section}.{key}"
        variants = entry.get(VARIANTS) if isinstance(entry, dict) else None
        rest = {name: value for name, value in entry.items() if name != VARIANTS} if isinstance(entry, dict) else entry
        if variants is None:
            _put(result, str(key), rest, where, f"the key {key!r} is that of a variant, too")
            continue
        _check_variants(f"{where}.{VARIANTS}", variants)
        for name, changes in variants.items():
            own, full = _nested(changes), f"{key}-{name}"
            _check_fields(f"{where}.{VARIANTS}.{name}", own, [kind], _added(place))
            _put(
                result, full, merged(rest, own), f"{where}.{VARIANTS}.{name}", f"gives {full!r}, which is there already"
            )
            groups.setdefault(str(key), []).append(full)
    return result, groups


def _check_variants(place: str, variants: Any) -> None:
    if not isinstance(variants, dict) or not variants:
        raise ValueError(f"{place}: {shown(variants)} is not accepted; write names and what each changes")
    for name, changes in variants.items():
        if not isinstance(name, str) or not KEY.fullmatch(name):
            raise ValueError(f"{place}: {shown(name)} is no end of a key; use a to z, digits, _ and -")
        if not isinstance(changes, dict):
            raise ValueError(f"{place}.{name}: {shown(changes)} is not accepted; write what changes, {{}} if nothing")


def _put(result: Raw, key: str, entry: Any, place: str, problem: str) -> None:
    if key in result:
        raise ValueError(f"{place}: {problem}; take another name")
    result[key] = entry


def _nested(changes: Raw) -> Raw:
    """Changes with dotted fields, as `network.channels`, in mappings."""
    result: Raw = {}
    for name, value in changes.items():
        whole = value
        for part in reversed(str(name).split(".")):
            whole = {part: whole}
        result = merged(result, whole)
    return result
