"""Writing out of params files: bases, sweeps, and values that follow from others.

It works on the values from YAML, before any check, so the schema only describes written-out files.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from adm.errors import UserError, accepted, shown
from adm.params.claims import completed
from adm.params.keys import check_known
from adm.params.naming import count_key, value_key
from adm.params.parsing import read_yaml
from adm.params.references import RUNS, Named, refs_of, visit
from adm.params.schema import kind_of, kind_of_entries, params_class
from adm.params.seeds import with_seeds
from adm.params.tables import with_kinds

BASE, SWEEP, ITERATION, ROOT = "base", "sweep", "iteration", "root"
"""Keys of a params file that a written-out file does not have."""

MOST_SWEPT = 1000
"""Largest number of entries from one sweep."""

WHOLE = frozenset({"tables", "figures", "claims"})
"""Sections whose entries replace a base's entries as a whole; entries of other sections change single values."""

NOT_SWEPT = frozenset({"paths", "execution", "resources", "published", "groups", *WHOLE})
"""Sections without sweeps."""

NOT_INHERITED = "paths"
"""The section that is not inherited from a base."""

SCORED = ("runs", "upsampled_runs", "gan_runs")
"""Sections of runs."""

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""The begin of a whole URL; other URLs of published files are paths under the section's `root`."""

LEAD = "checkpoint"
"""The field of a checkpoint by which a swept model makes an entry for each of its models."""

Raw = dict[str, Any]


@cache
def names_checkpoints(section: str) -> bool:
    """Whether entries of a section have a field `checkpoint` that a model's key can stand in."""
    kind = kind_of_entries(section)
    return any(ref.of == "checkpoints" for ref in refs_of(kind, LEAD))


class Source(NamedTuple):
    """The content of a params file, merged with its bases, and the paths of these files, its own first."""

    data: Any
    files: list[Path]


def read(path: Path | str) -> Source:
    """Read a params file and its bases, without checking them.

    Raises:
        UserError: A file is missing or no YAML, or a base is based on itself.
    """
    return _read(Path(path), [])


def _read(path: Path, below: list[Path]) -> Source:
    try:
        data = read_yaml(path)
    except OSError as error:
        place = f"{below[-1]}: base: " if below else ""
        raise UserError(f"{place}{path}: cannot be read: {error.strerror}") from error
    if not isinstance(data, dict) or BASE not in data:
        return Source(data, [path])
    base = data.pop(BASE)
    if not isinstance(base, str) or not base:
        raise UserError(f"{path}: base: {shown(base)} is not accepted; write the path of a params file")
    where = path.parent / base
    chain = [*below, path]
    try:
        is_circle = where.resolve() in [file.resolve() for file in chain]
    except (OSError, RuntimeError, ValueError) as error:  # circular links, or characters that no path may have
        raise UserError(f"{path}: base: {base!r} is no path: {error}") from error
    if is_circle:
        raise UserError(f"{path}: base: {base!r} is a circle, {' -> '.join(map(str, [*chain, where]))}")
    inherited = _read(where, chain)
    if not isinstance(inherited.data, dict):
        raise UserError(f"{path}: base: {where} holds no sections")
    kept = {name: section for name, section in inherited.data.items() if name != NOT_INHERITED}
    return Source(_merged(kept, data, ()), [path, *inherited.files])


def _merged(base: Raw, changes: Raw, place: tuple[str, ...]) -> Raw:
    """A base with changes applied; null removes a section, or an entry of one."""
    keyed = len(place) < (3 if place[:1] == ("published",) else 2)
    merged = dict(base)
    for key, value in changes.items():
        whole = key == SWEEP or (len(place) == 1 and place[0] in WHOLE)
        if value is None and keyed:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict) and not whole:
            merged[key] = _merged(merged[key], value, (*place, str(key)))
        else:
            merged[key] = value
    return merged


def write_out(data: Any, results: str) -> Any:
    """Write out a params file: every sweep and seed as its entries, every checkpoint and reference by its key.

    Args:
        data: The content from `read`; it is not changed.
        results: The results folder if the file names none.

    Raises:
        ValueError: A sweep, a checkpoint or a seed is invalid; the message names the place.
    """
    if not isinstance(data, dict):
        return data
    written = dict(data)
    if isinstance(paths := data.get("paths", {}), dict):
        written["paths"] = {"results": results, **paths}
    if "tables" in written:
        written["tables"] = with_kinds(written["tables"])
    if "claims" in written:
        written["claims"] = completed(written["claims"])
    _write_out_sweeps(written)
    if isinstance(published := written.get("published"), dict):
        written["published"] = _with_whole_urls(published)
    _fill_in(written)
    return with_seeds(written)


def _write_out_sweeps(written: Raw) -> None:
    groups: dict[str, dict[str, str]] = {}
    if isinstance(models := written.get("models"), dict):
        written["models"] = _without_sweeps("models", models, groups)
    follow = _Follower(written, groups)
    sweeps: dict[str, list[str]] = {}
    for section in (name for name in params_class().model_fields if name not in {"models", *NOT_SWEPT}):
        entries = written.get(section)
        if isinstance(entries, dict) and section in SCORED:
            sweeps |= _sweeps(follow, section, entries)
        if isinstance(entries, dict) and names_checkpoints(section):
            written[section] = follow.entries(section, entries)
        elif isinstance(entries, dict):
            written[section] = _without_sweeps(section, entries, {})
    for section in WHOLE:
        if isinstance(entries := written.get(section), dict):
            written[section] = visit(kind_of(section), entries, partial(_of_sweep, sweeps))


def _sweeps(follow: "_Follower", section: str, entries: Raw) -> dict[str, list[str]]:
    """The keys of the runs that each entry with a sweep gives, or that follows a swept model."""
    found = {}
    for key, entry in entries.items():
        one = {str(key): entry}
        made = list(follow.entries(section, one) if names_checkpoints(section) else _without_sweeps(section, one, {}))
        if made != [str(key)]:
            found[str(key)] = made
    return found


def _of_sweep(sweeps: Mapping[str, list[str]], named: Named) -> list[str]:
    """The runs that stand for the key of a sweep in a list."""
    return sweeps.get(named.key, [named.key]) if named.listed and named.ref.of in RUNS else [named.key]


def _with_whole_urls(published: Raw) -> Raw:
    """The published files without `root`, which is put before every URL without a scheme."""
    root = published.get(ROOT, "")
    if ROOT in published and not (isinstance(root, str) and SCHEME.match(root) and root.endswith("/")):
        raise ValueError(f"published.root: {shown(root)} is not accepted; write a URL that ends in '/'")

    def whole(entry: Any) -> Any:
        url = entry.get("url") if isinstance(entry, dict) else None
        return {**entry, "url": root + url} if isinstance(url, str) and not SCHEME.match(url) else entry

    parts = {name: part for name, part in published.items() if name != ROOT}
    return {
        name: {key: whole(entry) for key, entry in part.items()} if isinstance(part, dict) else part
        for name, part in parts.items()
    }


def _without_sweeps(section: str, entries: Raw, groups: dict[str, dict[str, str]]) -> Raw:
    """The entries of a section with sweeps written out; `groups` gets the keys of each sweep by their endings."""
    written: Raw = {}
    for key, entry in entries.items():
        if not _is_swept(entry):
            _put(written, section, str(key), _plain(entry), "")
            continue
        members = groups.setdefault(str(key), {})
        for end, swept in _swept(f"{section}.{key}", section, entry):
            members[end] = f"{key}-{end}"
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
    known = _fields(kind_of(section))
    for name in field.split("."):
        if name not in known:
            raise ValueError(f"{place}: {name!r} is no field there; {accepted(list(known), name)}")
        known = _fields(known[name])


def _fields(annotation: Any) -> dict[str, Any]:
    """The fields of the sections in an annotation, with the fields' annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: field.annotation for name, field in annotation.model_fields.items()}
    found: dict[str, Any] = {}
    for part in getattr(annotation, "__args__", ()):
        found |= _fields(part)
    return found


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
        groups: The models of each sweep, by the endings of their keys.
    """

    def __init__(self, written: Raw, groups: Mapping[str, Mapping[str, str]]) -> None:
        self.models = models if isinstance(models := written.get("models"), dict) else {}
        self.groups = groups
        published = written.get("published")
        adopted = published.get("checkpoints") if isinstance(published, dict) else None
        self.published = adopted if isinstance(adopted, dict) else {}

    def entries(self, section: str, entries: Raw) -> Raw:
        """The entries of a section, one for each checkpoint."""
        written: Raw = {}
        for key, entry in entries.items():
            place = f"{section}.{key}"
            if not isinstance(entry, dict):
                _put(written, section, str(key), entry, "")
                continue
            swept = _swept(place, section, entry) if _is_swept(entry) else [("", _plain(entry))]
            for end, one in swept:
                for model_end, followed in self._followed(section, place, one):
                    full = "-".join(filter(None, [str(key), model_end, end]))
                    _put(written, section, full, followed, f"the sweep of {place}" if _is_swept(entry) else "")
        return written

    def _followed(self, section: str, place: str, entry: Raw) -> Iterator[tuple[str, Raw]]:
        entry = dict(entry)
        iteration, name = entry.pop(ITERATION, None), entry.get(LEAD)
        entry = visit(kind_of_entries(section), entry, partial(self._last_of_others, place))
        if not isinstance(name, str):
            yield "", entry
            return
        if iteration is not None and not (isinstance(iteration, int) and not isinstance(iteration, bool)):
            raise ValueError(f"{place}.iteration: {shown(iteration)} is not accepted; write a whole number")
        if name in self.models or name in self.groups:
            for end, model in ({"": name} if name in self.models else self.groups[name]).items():
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
        yield "", entry

    def _last_of_others(self, place: str, named: Named) -> list[str]:
        """The last checkpoint of a model that another field than the first names."""
        is_model = named.ref.of == "checkpoints" and named.key in self.models and named.field != LEAD
        return [self._last(f"{place}.{named.field}", named.key) if is_model else named.key]

    def _last(self, place: str, model: str) -> str:
        section = self.models[model]
        stops = section.get("checkpoints") if isinstance(section, dict) else None
        if isinstance(stops, list) and stops and isinstance(stops[-1], int):
            return f"{model}-{count_key(stops[-1])}"
        adopted = [key for key, one in self.published.items() if isinstance(one, dict) and one.get("model") == model]
        if len(adopted) != 1:
            found = f"{len(adopted)} published ones" if adopted else "no published one"
            raise ValueError(
                f"{place}: model {model!r} has no last checkpoint: it lists no checkpoints, and has {found}"
            )
        return str(adopted[0])


def _fill_in(written: Raw) -> None:
    """Fill in values that follow from others: of views, the first extractor, a run's reference, a study's dataset."""
    sections = {name: section for name, section in written.items() if isinstance(section, dict)}
    published = {name: part for name, part in sections.get("published", {}).items() if isinstance(part, dict)}
    _fill_in_views(sections.get("datasets", {}))
    graphs = [*sections.get("extractors", {}), *published.get("graphs", {})]
    if graphs:
        for entries in (sections.get("references", {}), published.get("references", {})):
            _default(entries, "extractor", lambda _: graphs[0])
    _check_datasets(sections)
    references = sections.get("references", {})

    def dataset_of(entry: Raw) -> str | None:
        """The dataset that an entry's checkpoint or GAN is trained on."""
        if isinstance(gan := entry.get("gan"), str):
            owner = sections.get("gans", {}).get(gan)
        else:
            name = str(entry.get("checkpoint"))
            adopted = published.get("checkpoints", {}).get(name)
            model = adopted.get("model") if isinstance(adopted, dict) else name.rpartition("-")[0]
            owner = sections.get("models", {}).get(model) if isinstance(model, str) else None
        dataset = owner.get("dataset") if isinstance(owner, dict) else None
        return dataset if isinstance(dataset, str) else None

    for name in ("runs", "upsampled_runs", "gan_runs"):
        _default(sections.get(name, {}), "reference", lambda entry: _reference_of(dataset_of(entry), references))
    for name in ("interpolations", "likelihoods", "schedules"):
        _default(sections.get(name, {}), "dataset", dataset_of)
    _check_guided(sections)


def _reference_of(dataset: str | None, references: Raw) -> str | None:
    """The only reference of a dataset; of several, the one that is named like it."""
    if dataset is None:
        return None
    found = [key for key, entry in references.items() if isinstance(entry, dict) and entry.get("dataset") == dataset]
    if len(found) > 1 and dataset not in found:
        raise ValueError(
            f"references: {' and '.join(found)} are of the dataset {dataset!r}; give one of them its name, or the runs "
            "their field reference"
        )
    return dataset if dataset in found else next(iter(found), None)


def _check_datasets(sections: Raw) -> None:
    """Refuse a dataset that is not there, before a run lacks its reference for want of it."""
    for name in ("models", "gans"):
        for key, entry in sections.get(name, {}).items():
            if isinstance(entry, dict) and isinstance(dataset := entry.get("dataset"), str):
                check_known(sections.get("datasets", {}), dataset, f"{name}.{key}.dataset")


def _fill_in_views(datasets: Raw) -> None:
    """Give each view of a dataset that dataset's values; a view has a size alone of its own."""
    named = {key: entry for key, entry in datasets.items() if isinstance(entry, dict)}
    stores = {key: entry for key, entry in named.items() if entry.get("stored") == "files" and entry.get("of") is None}
    for key, view in named.items():
        if (name := view.get("of")) is None:
            continue
        if not isinstance(name, str) or name not in stores:
            raise ValueError(
                f"datasets.{key}.of: {shown(name)} is no dataset with stored 'files', or is a view itself; "
                f"{accepted(stores, str(name))}"
            )
        for field, value in view.items():
            if field not in {"of", "image_size"} and value != stores[name].get(field):
                raise ValueError(
                    f"datasets.{key}.{field}: {shown(value)} is not accepted; a view has the value of {name!r}, and "
                    "gives of and image_size alone"
                )
        datasets[key] = {**stores[name], **view}


def _check_guided(sections: dict[str, Raw]) -> None:
    """Refuse an entry with a classifier and no gradient scale: the default, none, would be a surprise."""
    for name in ("runs", "interpolations"):
        for key, entry in sections.get(name, {}).items():
            if isinstance(entry, dict) and entry.get("classifier") is not None and "gradient_scale" not in entry:
                raise ValueError(f"{name}.{key}: gradient_scale is missing; the classifier guides by it")


def _default(entries: Raw, field: str, value_of: Any) -> None:
    for key, entry in entries.items():
        if isinstance(entry, dict) and field not in entry and (value := value_of(entry)) is not None:
            entries[key] = {**entry, field: value}
