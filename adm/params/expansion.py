"""Writing out of params files: all that a file may leave out, or say once for several entries.

It works on the values from YAML, before any check, so the schema only describes written-out files.

A model with `seeds: [1, 2, 3]` becomes the models `<model>-seed-1` to `<model>-seed-3`, which differ in their seed. A
run of it becomes the runs `<run>-seed-1` to `<run>-seed-3`, and the run's own key then names their group. Where tables,
curves and claims name a run, they may name a group. What shows one model or one run takes the first of several.

With `seeds: {weights: [1, 2, 3], data: [1, 2, 3], noise: [1, 2, 3]}` the three seeds of a training vary apart, and
copies end in `-seed-w1-d1-n1`. Any two seeds of two kinds meet in one copy: three lists of n seeds are a Latin
square of n^2 copies, two are n^2 as well, one is n. A number in place of a list is a seed that all copies share.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any

from adm.config.models import TrainingSeeds, is_seed
from adm.errors import accepted
from adm.params import entries as shorthand
from adm.params.checks import check_known
from adm.params.claims import completed
from adm.params.entries import PUBLISHED, ROLES, SCORED, SEEDED, SEEDS, Entries, Raw, merged, stops_of
from adm.params.references import RUNS, Named, references, visit
from adm.params.schema import Groups, kinds_of_entries
from adm.params.section import value_key

ROOT = "root"
"""A key of published files that a written-out file does not have."""

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""The begin of a whole URL; other URLs of published files are paths under the section's `root`."""

GROUPS = "groups"
"""The section that names groups of runs."""

SEED_IN_KEY = re.compile(r"seed-(?:[0-9]+|w[0-9]+-d[0-9]+-n[0-9]+)")
"""The part of a copy's key that its run's key has, too; the last one, as a copy may be a run."""

Copies = dict[str, list[str]]
"""The keys of the copies of each key that is copied, in the order of its seeds."""


def write_out(data: Raw, results: str) -> Any:
    """Write out a params file: every entry in full, every sweep and seed as its entries, every checkpoint by its key.

    Args:
        data: The content from `read`; it is not changed.
        results: The results folder if the file names none.

    Raises:
        ValueError: A section is unknown, or what would be written out is invalid; the message names the place.
    """
    written = shorthand.split(data)
    if isinstance(paths := data.get("paths", {}), dict):
        written["paths"] = {"results": results, **paths}
    roles = written.pop(ROLES, None)
    if "claims" in written or roles:
        written["claims"] = completed(written.get("claims", {}), roles)
    shorthand.write_out_entries(written)
    _write_whole_urls(written)
    _fill_in(written)
    written = _with_seeds(written)
    parts = {name: part for name, part in written.items() if name.startswith(PUBLISHED)}
    if parts:
        written["published"] = {name.removeprefix(PUBLISHED): part for name, part in parts.items()}
    return {name: section for name, section in written.items() if name not in parts}


def _write_whole_urls(written: Raw) -> None:
    """Put the `root` of published files before every URL without a scheme."""
    if f"{PUBLISHED}{ROOT}" not in written:
        return
    root = written.pop(f"{PUBLISHED}{ROOT}")
    if not (isinstance(root, str) and SCHEME.match(root) and root.endswith("/")):
        raise ValueError(f"published.root: {root!r} is not accepted; write a URL that ends in '/'")
    for name in (name for name in written if name.startswith(PUBLISHED)):
        for entry in written[name].values():
            if isinstance(url := entry.get("url"), str) and not SCHEME.match(url):
                entry["url"] = root + url


def _fill_in(written: Raw) -> None:
    """Fill in values that follow from others: of views, the first extractor, a run's reference, a study's dataset."""
    _fill_in_views(written.get("datasets", {}))
    graphs = [*written.get("extractors", {}), *written.get(f"{PUBLISHED}graphs", {})]
    for section in ("references", f"{PUBLISHED}references"):
        _default(written, section, "extractor", lambda *_: next(iter(graphs), None))
    # A name of nothing is told here, before a run lacks its reference for want of it.
    for section in ("models", "gans", "references"):
        for key, entry in written.get(section, {}).items():
            _known(written, "datasets", entry.get("dataset"), f"{section}.{key}.dataset")
    references = written.get("references", {})
    for section in SCORED:
        _default(written, section, "reference", lambda *of: _reference_of(_dataset_of(written, *of), references))
    for section in ("interpolations", "likelihoods"):
        _default(written, section, "dataset", lambda *of: _dataset_of(written, *of))
    _check_guided(written)


def _default(written: Raw, section: str, field: str, value_of: Callable[[str, str, Raw], Any]) -> None:
    for key, entry in written.get(section, {}).items():
        if field not in entry and (value := value_of(section, key, entry)) is not None:
            entry[field] = value


def _check_guided(written: Raw) -> None:
    """Refuse an entry with a classifier and no gradient scale: the default, none, would be a surprise.

    One with a key that is unknown, which may be the scale misspelt, is refused for that later.
    """
    for section in ("runs", "interpolations"):
        known = kinds_of_entries()[section].model_fields.keys()
        for key, entry in written.get(section, {}).items():
            if entry.get("classifier") is not None and "gradient_scale" not in entry and entry.keys() <= known:
                raise ValueError(f"{section}.{key}: gradient_scale is missing; the classifier guides by it")


def _known(written: Raw, section: str, key: Any, place: str) -> Raw:
    """Give the entry that a key names; none of a value that is no key, which the schema refuses."""
    if not isinstance(key, str):
        return {}
    check_known(written.get(section, {}), key, place, section)
    entry: Raw = written[section][key]
    return entry


def _dataset_of(written: Raw, section: str, key: str, entry: Raw) -> Any:
    field = "gan" if section == "gan_runs" else "checkpoint"
    name, place = entry.get(field), f"{section}.{key}.{field}"
    if name is None and section in SCORED:
        raise ValueError(f"{place}: is missing")
    if field == "gan":
        return _known(written, "gans", name, place).get("dataset")
    adopted = written.get(f"{PUBLISHED}checkpoints", {})
    if isinstance(name, str) and name in adopted:
        model = adopted[name].get("model")
        return _known(written, "models", model, f"{PUBLISHED}checkpoints.{name}.model").get("dataset")
    models: Entries = written.get("models", {})
    if isinstance(name, str) and (model := name.rpartition("-")[0]) not in models:
        ends = {model: ["0", *map(value_key, stops_of(model, models[model]))] for model in models}
        known = [*models, *(f"{model}-{end}" for model in models for end in ends[model]), *adopted]
        raise ValueError(f"{place}: {name!r} is no model and no checkpoint; {accepted(known, name)}")
    return models[model].get("dataset") if isinstance(name, str) else None


def _reference_of(dataset: Any, references: Entries) -> str | None:
    """Give the only reference of a dataset; of several, the one that is named like it."""
    if not isinstance(dataset, str):
        return None
    named = [key for key, entry in references.items() if entry.get("dataset") == dataset]
    if len(named) > 1 and dataset not in named:
        several = f"{' and '.join(named)} are of the dataset {dataset!r}"
        raise ValueError(f"references: {several}; give one of them its name, or the runs their field reference")
    return dataset if dataset in named else next(iter(named), None)


def _fill_in_views(datasets: Entries) -> None:
    """Give each view of a dataset that dataset's values; a view has a size alone of its own."""
    stores = {key: one for key, one in datasets.items() if one.get("stored") == "files" and one.get("of") is None}
    for key, view in datasets.items():
        if (name := view.get("of")) is None:
            continue
        if not isinstance(name, str) or name not in stores:
            raise ValueError(f"datasets.{key}.of: {name!r} has no stored 'files'; {accepted(stores, str(name))}")
        for field, value in view.items():
            if field not in {"of", "image_size"} and value != stores[name].get(field):
                raise ValueError(f"datasets.{key}.{field}: {value!r} is not accepted; a view has that of {name!r}")
        datasets[key] = {**stores[name], **view}


def _with_seeds(written: Raw) -> Raw:
    """Give a written-out params file the copies that `seeds` ask for; without any, the same values.

    Raises:
        ValueError: Seeds are invalid, a copy's key is there already, or a run names copies of unequal number.
    """
    result, copies = dict(written), {name: Copies() for name in SEEDED}
    for section in SEEDED:
        result[section] = _copied(section, written.get(section, {}), copies[section])
    models, runs = copies["models"], Copies()
    checkpoints = {
        f"{key}-{count}": [f"{copy}-{count}" for copy in keys]
        for key, keys in models.items()
        for count in ("0", *map(value_key, stops_of(key, written["models"][key])))
    }
    known = {"checkpoints": checkpoints, "gans": copies["gans"], "runs": runs}
    for section in SCORED:  # a section may name those before it
        result[section] = _followed(section, written.get(section, {}), known)
    groups = written.get(GROUPS, {})
    if isinstance(groups, dict) and (groups or any(copies.values())):
        groups = dict(groups)
        for key, members in runs.items():
            _put(groups, GROUPS, key, members)
        named = {key: members for key, members in groups.items() if isinstance(members, list)}
        first = partial(_copy, {**known, "models": models, **dict.fromkeys(RUNS, named)}, 0)
        result[GROUPS] = visit(Groups, groups, first)
        for section, kind in kinds_of_entries().items():
            if section not in SCORED and section in result:
                result[section] = {key: visit(kind, entry, first) for key, entry in result[section].items()}
    return result


def _copy(copies: Mapping[str, Copies], number: int, named: Named) -> list[str]:
    """Give one of the copies of what is named; where a group can be, its own key."""
    several = copies.get(named.ref.of, {}).get(named.key)
    return [several[number] if several and not named.ref.groups else named.key]


def _copied(section: str, entries: Entries, copies: Copies) -> Entries:
    """Copy the entries that have seeds; `copies` gets the keys of the copies."""
    result: Entries = {}
    for key, entry in entries.items():
        seeds, rest = entry.get(SEEDS), {name: value for name, value in entry.items() if name != SEEDS}
        if seeds is None:  # null takes away the seeds of an alias or a base
            _put(result, section, key, rest)
            continue
        place = f"{section}.{key}.{SEEDS}"
        apart = isinstance(seeds, dict) and section == "models"
        by_end = _crossed(place, seeds) if apart else {str(seed): seed for seed in _checked(place, seeds)}
        copies[key] = [f"{key}-seed-{end}" for end in by_end]
        for seed, copy in zip(by_end.values(), copies[key], strict=True):
            change = {"seed": seed} if section == "gans" else {"training": {"seed": seed}}
            _put(result, section, copy, merged(rest, change))
    return result


def _checked(place: str, seeds: Any) -> list[int]:
    if not isinstance(seeds, list) or not seeds or not all(map(is_seed, seeds)) or len(set(seeds)) < len(seeds):
        raise ValueError(f"{place}: {seeds!r} is not accepted; write different whole numbers from 0 on, as [1, 2, 3]")
    return seeds


def _crossed(place: str, seeds: Raw) -> dict[str, dict[str, int]]:
    """Give the three seeds of each copy, by the end of its key; any two seeds of two kinds meet in one copy."""
    kinds = tuple(TrainingSeeds.model_fields)
    if set(seeds) != set(kinds):
        raise ValueError(f"{place}: has {', '.join(map(str, seeds)) or 'no kind'}; it needs {', '.join(kinds)}")
    lists = {kind: [s] if is_seed(s := seeds[kind]) else _checked(f"{place}.{kind}", s) for kind in kinds}
    varied = [kind for kind in kinds if len(lists[kind]) > 1]
    if len({len(lists[kind]) for kind in varied}) > 1:
        counts = ", ".join(f"{len(lists[kind])} of {kind}" for kind in varied)
        raise ValueError(f"{place}: {counts}; give equally many of each, or one")
    n, copies = max(map(len, lists.values())), {}
    for row, column in product(range(n), range(n if len(varied) > 1 else 1)):
        # The cyclic Latin square: each third seed stands once in each row and in each column.
        places = dict(zip(varied, (row, column, (row + column) % n), strict=False))
        copy = {kind: lists[kind][places.get(kind, 0)] for kind in kinds}
        copies["-".join(f"{kind[0]}{seed}" for kind, seed in copy.items())] = copy
    return copies


def _put(result: Raw, section: str, key: str, entry: Any) -> None:
    if key in result:
        raise ValueError(f"{section}.{key}: the seeds of another entry give {key!r}, too; take another key")
    result[key] = entry


def _followed(section: str, entries: Entries, known: Mapping[str, Copies]) -> Entries:
    """Give entries of runs, one for each copy of what they name, the i-th with the i-th; `known` gets their keys."""
    kind, runs = kinds_of_entries()[section], known["runs"]
    result: Entries = {}
    for key, entry in entries.items():
        named_first = sorted(references(kind, entry), key=lambda named: "." in named.field)  # its own before a guide's
        copied = {
            named.field: (named.key, known[named.ref.of][named.key])
            for named in named_first
            if named.key in known.get(named.ref.of, ())
        }
        if not copied:
            _put(result, section, key, entry)
            continue
        if len({len(copies) for _, copies in copied.values()}) > 1:
            counts = " and ".join(f"{field} {name!r} has {len(copies)}" for field, (name, copies) in copied.items())
            raise ValueError(f"{section}.{key}: {counts} seeds; the i-th goes with the i-th, so give equally many")
        seed, all_copies = entry.get("seed", 0), [copies for _, copies in copied.values()]
        runs[key] = [f"{key}-{SEED_IN_KEY.findall(copy)[-1]}" for copy in all_copies[0]]
        for number, copy in enumerate(runs[key]):
            # Far apart, so that no two runs of the group draw the same image.
            drawn = {"seed": seed + number * 1_000_000} if number and isinstance(seed, int) else {}
            _put(result, section, copy, {**visit(kind, entry, partial(_copy, known, number)), **drawn})
    return result
