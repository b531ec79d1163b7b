"""Sweeps: an entry for each value of a field, and a run for each of the models that a sweep or variants give.

In a list of runs a key stands for all entries that it begins: that of a sweep, of an entry with variants, or of a run
of a model that has either.
"""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from itertools import product
from math import prod
from typing import Any

from adm.errors import accepted, one_line, shown
from adm.params.bases import SWEEP, WHOLE
from adm.params.naming import count_key, value_key
from adm.params.references import RUNS, Named, fields_of, refs_of, visit
from adm.params.schema import kind_of, kind_of_entries, params_class

ITERATION = "iteration"
"""A key of a run that a written-out file does not have."""

MOST_SWEPT = 1000
"""Largest number of entries from one sweep."""

NOT_SWEPT = frozenset({"paths", "execution", "resources", "published", "groups", *WHOLE})
"""Sections without sweeps."""

SCORED = ("runs", "upsampled_runs", "gan_runs")
"""Sections of runs."""

LEAD = "checkpoint"
"""The field of a checkpoint by which a swept model makes an entry for each of its models."""

Raw = dict[str, Any]
Groups = dict[str, dict[tuple[str, ...], str]]
"""The models that a key stands for, each by what follows the key in its own."""


@cache
def names_checkpoints(section: str) -> bool:
    """Whether entries of a section have a field `checkpoint` that a model's key can stand in."""
    return any(ref.of == "checkpoints" for ref in refs_of(kind_of_entries(section), LEAD))


def write_out_sweeps(written: Raw, variants: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Write out every sweep of a file, in place.

    Args:
        written: The file; its variants are written out.
        variants: By sections, the keys of the variants of each entry that has some.

    Raises:
        ValueError: A sweep, a checkpoint or an iteration is invalid; the message names the place.
    """
    groups: Groups = {}
    if isinstance(models := written.get("models"), dict):
        written["models"] = _without_sweeps("models", models, groups)
    for key, several in variants.get("models", {}).items():
        groups[key] = {
            (one.removeprefix(f"{key}-"), *end): model
            for one in several
            for end, model in groups.get(one, {(): one}).items()
        }
    follow = _Follower(written, groups)
    begun: dict[str, list[str]] = {}
    for section in (name for name in params_class().model_fields if name not in {"models", *NOT_SWEPT}):
        if not isinstance(entries := written.get(section), dict):
            continue
        made: dict[str, list[str]] = {}
        if names_checkpoints(section):
            written[section] = follow.entries(section, entries, made)
        else:
            of_sweeps: Groups = {}
            written[section] = _without_sweeps(section, entries, of_sweeps)
            made |= {key: list(members.values()) for key, members in of_sweeps.items()}
        for key, several in variants.get(section, {}).items():
            made[key] = [full for one in several for full in made.get(one, [one])]
        if section in SCORED:
            begun |= made
    begun |= variants.get("published.samples", {})
    runs = {str(key) for name in SCORED for key in _mapping(written.get(name))}
    stand = {key: several for key, several in begun.items() if key not in runs}
    for section in WHOLE:
        if isinstance(entries := written.get(section), dict):
            written[section] = visit(kind_of(section), entries, partial(_all_of, stand))


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _all_of(begun: Mapping[str, list[str]], named: Named) -> list[str]:
    """The runs that stand for a key in a list."""
    return begun.get(named.key, [named.key]) if named.listed and named.ref.of in RUNS else [named.key]


def _without_sweeps(section: str, entries: Raw, groups: Groups) -> Raw:
    """The entries of a section with sweeps written out; `groups` gets the keys of each sweep by their endings."""
    written: Raw = {}
    for key, entry in entries.items():
        if not _is_swept(entry):
            _put(written, section, str(key), _plain(entry), "")
            continue
        members = groups.setdefault(str(key), {})
        for end, swept in _swept(f"{section}.{key}", section, entry):
            members[end,] = f"{key}-{end}"
            _put(written, section, f"{key}-{end}", swept, f"the sweep of {section}.{key}")
    return written


def _is_swept(entry: Any) -> bool:
    """Whether an entry has a sweep; null removes a sweep that it has from an alias."""
    return isinstance(entry, dict) and entry.get(SWEEP) is not None


def _plain(entry: Any) -> Any:
    return {name: value for name, value in entry.items() if name != SWEEP} if isinstance(entry, dict) else entry


def _put(written: Raw, section: str, key: str, entry: Any, origin: str) -> None:
    if key in written:
        raise ValueError(
            f"{section}.{key}: {origin or 'this key'} gives {key!r}, which is there already; take another key"
        )
    written[key] = entry


def _swept(place: str, section: str, entry: Raw) -> Iterator[tuple[str, Raw]]:
    """The entries from a sweep, by the endings of their keys."""
    axes = entry[SWEEP]
    if not isinstance(axes, dict) or not axes:
        raise ValueError(f"{place}.sweep: {shown(axes)} is not accepted; write fields and lists of their values")
    for field, values in axes.items():
        _check_axis(f"{place}.sweep.{field}", section, str(field), values)
    many = prod(map(len, axes.values()))
    if many > MOST_SWEPT:
        raise ValueError(f"{place}.sweep: gives {many} entries; at most {MOST_SWEPT} are accepted")
    rest = {name: value for name, value in entry.items() if name != SWEEP}
    for values in product(*axes.values()):
        changed = rest
        for field, value in zip(axes, values, strict=True):
            changed = _with(changed, str(field).split("."), value)
        yield "-".join(map(value_key, values)), changed


def _check_axis(place: str, section: str, field: str, values: Any) -> None:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{place}: {shown(values)} is not accepted; a sweep needs a list of values")
    for value in values:
        if isinstance(value, dict) or not value_key(value):
            raise ValueError(f"{place}: {shown(value)} is not accepted; values are numbers, words or lists of them")
    if field == ITERATION and names_checkpoints(section):
        return
    kinds: list[Any] = [kind_of_entries(section)]
    for name in field.split("."):
        known = fields_of(*kinds)
        if name not in known:
            raise ValueError(f"{place}: {name!r} is no field there; {accepted(list(known), name)}")
        kinds = known[name]


def _with(entry: Raw, path: list[str], value: Any) -> Raw:
    """A copy of an entry with another value at a path."""
    first, *rest = path
    if not rest:
        return {**entry, first: value}
    inner = entry.get(first)
    return {**entry, first: _with(inner if isinstance(inner, dict) else {}, rest, value)}


class _Follower:
    """Resolves names to checkpoints: a model means its last checkpoint or that at `iteration`, a sweep all its models.

    Args:
        written: The file, with models written out.
        groups: The models of each sweep and of variants, by the endings of their keys.
    """

    def __init__(self, written: Raw, groups: Groups) -> None:
        self.models = models if isinstance(models := written.get("models"), dict) else {}
        self.groups = groups
        published = written.get("published")
        adopted = published.get("checkpoints") if isinstance(published, dict) else None
        self.published = adopted if isinstance(adopted, dict) else {}
        self.runs = {str(key) for name in SCORED for key in _mapping(written.get(name))}

    def entries(self, section: str, entries: Raw, begun: dict[str, list[str]]) -> Raw:
        """The entries of a section, one for each checkpoint; `begun` gets the keys that each begin of theirs gives."""
        written: Raw = {}
        for key, entry in entries.items():
            place = f"{section}.{key}"
            if not isinstance(entry, dict):
                _put(written, section, str(key), entry, "")
                continue
            swept = _swept(place, section, entry) if _is_swept(entry) else [("", _plain(entry))]
            for end, one in swept:
                for model_ends, followed in self._followed(section, place, one):
                    parts = [part for part in (str(key), *model_ends, end) if part]
                    full = "-".join(parts)
                    for begin in ("-".join(parts[:number]) for number in range(1, len(parts))):
                        if begin == str(key) or begin not in self.runs:  # else it is an entry of its own
                            begun.setdefault(begin, []).append(full)
                    _put(written, section, full, followed, f"the sweep of {place}" if _is_swept(entry) else "")
        return written

    def _followed(self, section: str, place: str, entry: Raw) -> Iterator[tuple[tuple[str, ...], Raw]]:
        entry = dict(entry)
        iteration, name = entry.pop(ITERATION, None), entry.get(LEAD)
        entry = visit(kind_of_entries(section), entry, partial(self._last_of_others, place))
        if not isinstance(name, str):
            yield (), entry
            return
        if iteration is not None and not (isinstance(iteration, int) and not isinstance(iteration, bool)):
            raise ValueError(f"{place}.iteration: {shown(iteration)} is not accepted; write a whole number")
        if name in self.models or name in self.groups:
            for end, model in ({(): name} if name in self.models else self.groups[name]).items():
                if iteration is None:
                    checkpoint = self._last(f"{place}.checkpoint", model)
                else:
                    checkpoint = f"{model}-{count_key(iteration)}"
                yield end, {**entry, "checkpoint": checkpoint}
            return
        if iteration is not None:
            known = [*self.models, *self.groups]
            raise ValueError(
                f"{place}.checkpoint: {name!r} is no model, which `iteration` needs; {accepted(known, name)}"
            )
        yield (), entry

    def _last_of_others(self, place: str, named: Named) -> list[str]:
        """The last checkpoint of a model that another field than the first names."""
        is_model = named.ref.of == "checkpoints" and named.key in self.models and named.field != LEAD
        return [self._last(f"{place}.{named.field}", named.key) if is_model else named.key]

    def _last(self, place: str, model: str) -> str:
        section = self.models[model]
        stops = section.get("checkpoints") if isinstance(section, dict) else None
        if stops is not None and not isinstance(stops, list):
            raise ValueError(
                f"models.{model}.checkpoints: {shown(stops)} is not accepted: write a list, as [{one_line(str(stops))}]"
            )
        if isinstance(stops, list) and stops:
            return f"{model}-{value_key(stops[-1])}"  # what is no number is refused where it stands
        adopted = [key for key, one in self.published.items() if isinstance(one, dict) and one.get("model") == model]
        if len(adopted) != 1:
            found = f"{len(adopted)} published ones" if adopted else "no published one"
            raise ValueError(
                f"{place}: model {model!r} has no last checkpoint: it lists no checkpoints, and has {found}"
            )
        return str(adopted[0])
