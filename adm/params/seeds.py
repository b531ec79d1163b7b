"""Seeds of training: copies of a model or GAN, a run for each, and the groups that these runs form.

A model with `seeds: [1, 2, 3]` becomes the models `<model>-seed-1` to `<model>-seed-3`, which differ in their seed. A
run of it becomes the runs `<run>-seed-1` to `<run>-seed-3`, and the run's own key then names their group. Where tables,
curves and claims name a run, they may name a group. What shows one model or one run takes the first of several.

With `seeds: {weights: [1, 2, 3], data: [1, 2, 3], noise: [1, 2, 3]}` the three seeds of a training vary apart, and
copies end in `-seed-w1-d1-n1`. Any two seeds of two kinds meet in one copy: three lists of n seeds are a Latin
square of n^2 copies, two are n^2 as well, one is n. A number in place of a list is a seed that all copies share.

It works on values from YAML that are written out already, before any check.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any

from adm.params.errors import shown
from adm.params.models import TrainingSeeds, is_seed
from adm.params.naming import count_key

SEEDS, GROUPS = "seeds", "groups"
"""The field of models and GANs that makes copies; the section that names groups of runs."""

MOST_SEEDS = 1000
"""Largest number of seeds of one model."""

STRIDE = 1_000_000
"""Distance of the seeds of sampling of a group's runs: no two of them draw the same image i."""

SEEDED = ("models", "gans")
"""Sections whose entries may have seeds."""

SEED_IN_KEY = re.compile(r"seed-(?:[0-9]+|w[0-9]+-d[0-9]+-n[0-9]+)")
"""The part of a copy's key that its run's key has, too; the last one, as a copy may be a run."""

FOLLOWING = {
    "runs": ("checkpoint", "classifier", "guide"),
    "upsampled_runs": ("checkpoint", "base"),
    "gan_runs": ("gan",),
}
"""Sections with an entry for each copy, and the fields that name what is copied; a section may name those before it."""

OF_ONE = {
    "interpolations": ("checkpoint", "classifier"),
    "likelihoods": ("checkpoint",),
    "neighbours": ("run",),
    "variations": ("run",),
    "throughput": ("model",),
    "schedules": ("checkpoint", "run"),
}
"""Sections whose entries are of one copy, the first, and the fields that name it."""

OF_ONE_IN_TABLES = ("columns", "ddpm", "ddim", "images_per_v100_second")
"""Fields of tables that are of the first copy: hyperparameters, gradient scales and speeds of all copies are equal."""

Raw = dict[str, Any]
Copies = dict[str, list[str]]
"""The keys of the copies of each key that is copied, in the order of its seeds."""


def with_seeds(written: Raw) -> Raw:
    """A written-out params file with the copies that `seeds` ask for; without any, the same values.

    Raises:
        ValueError: Seeds are invalid, a copy's key is there already, or a run names copies of unequal number.
    """
    result = dict(written)
    models, gans, runs = Copies(), Copies(), Copies()
    for section, copies, seeded in (("models", models, _with_training_seed), ("gans", gans, _with_seed)):
        if isinstance(entries := result.get(section), dict):
            result[section] = _copied(section, entries, seeded, copies)
    checkpoints = _checkpoints(result.get("models"), models)
    known = {**dict.fromkeys(("checkpoint", "classifier", "guide"), checkpoints), "gan": gans, "base": runs}
    for section, fields in FOLLOWING.items():
        if isinstance(entries := result.get(section), dict):
            result[section] = _followed(section, entries, {field: known[field] for field in fields}, runs)
    result = _with_groups(result, runs)
    groups = result.get(GROUPS)
    firsts = {
        **{field: {key: copies[0] for key, copies in known[field].items()} for field in ("checkpoint", "classifier")},
        "model": {key: copies[0] for key, copies in models.items()},
        "run": {k: v[0] for k, v in groups.items() if isinstance(v, list) and v} if isinstance(groups, dict) else {},
    }
    return _of_first(result, firsts)


def _with_seed(entry: Raw, seed: Any) -> Raw:
    return {**entry, "seed": seed}


def _with_training_seed(entry: Raw, seed: Any) -> Raw:
    training = entry.get("training")
    return {**entry, "training": {**training, "seed": seed}} if isinstance(training, dict) else entry


def _copied(section: str, entries: Raw, seeded: Callable[[Raw, Any], Raw], copies: Copies) -> Raw:
    """Entries with those that have seeds copied; `copies` gets the keys of the copies."""
    result: Raw = {}
    for key, entry in entries.items():
        seeds = entry.get(SEEDS) if isinstance(entry, dict) else None
        rest = {name: value for name, value in entry.items() if name != SEEDS} if isinstance(entry, dict) else entry
        if seeds is None:  # null takes away the seeds of an alias or a base
            _put(result, section, key, rest)
            continue
        place = f"{section}.{key}.{SEEDS}"
        apart = isinstance(seeds, dict) and section == "models"
        found = _crossed(place, seeds) if apart else {str(seed): seed for seed in _checked(place, seeds)}
        if len(found) > MOST_SEEDS:
            raise ValueError(f"{place}: gives {len(found)} copies; at most {MOST_SEEDS} are accepted")
        copies[key] = [f"{key}-seed-{name}" for name in found]
        for seed, copy in zip(found.values(), copies[key], strict=True):
            _put(result, section, copy, seeded(rest, seed))
    return result


def _checked(place: str, seeds: Any) -> list[int]:
    if not isinstance(seeds, list) or not seeds or not all(map(is_seed, seeds)) or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"{place}: {shown(seeds)} is not accepted; write a list of different whole numbers from 0 on, as [1, 2, 3]"
        )
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
    n, found = max(map(len, lists.values())), {}
    for row, column in product(range(n), range(n if len(varied) > 1 else 1)):
        # The cyclic Latin square: each third seed stands once in each row and in each column.
        places = dict(zip(varied, (row, column, (row + column) % n), strict=False))
        copy = {kind: lists[kind][places.get(kind, 0)] for kind in kinds}
        found["-".join(f"{kind[0]}{seed}" for kind, seed in copy.items())] = copy
    return found


def _put(result: Raw, section: str, key: Any, entry: Any) -> None:
    if key in result:
        raise ValueError(f"{section}.{key}: the seeds of another entry give {key!r}, too; take another key")
    result[key] = entry


def _checkpoints(models: Any, copied: Copies) -> Copies:
    """The copies of each checkpoint of copied models, the initial ones included."""
    copies: Copies = {}
    for key, keys in copied.items():
        stops = models[keys[0]].get("checkpoints", [])
        whole = [stop for stop in stops if isinstance(stop, int)] if isinstance(stops, list) else []
        for count in ("0", *map(count_key, whole)):
            copies[f"{key}-{count}"] = [f"{copy}-{count}" for copy in keys]
    return copies


def _followed(section: str, entries: Raw, known: Mapping[str, Copies], runs: Copies) -> Raw:
    """Entries of runs, one for each copy of what they name, the i-th with the i-th; `runs` gets their keys."""
    result: Raw = {}
    for key, entry in entries.items():
        found = {
            field: copies[name]
            for field, copies in known.items()
            if isinstance(name := _named(entry, field), str) and name in copies
        }
        if not found:
            _put(result, section, key, entry)
            continue
        if len({len(copies) for copies in found.values()}) > 1:
            counts = " and ".join(
                f"{field} {_named(entry, field)!r} has {len(copies)}" for field, copies in found.items()
            )
            raise ValueError(f"{section}.{key}: {counts} seeds; the i-th goes with the i-th, so give equally many")
        seed = entry.get("seed", 0)
        runs[key] = []
        for number, copies in enumerate(zip(*found.values(), strict=True)):
            drawn = {"seed": seed + number * STRIDE} if number and isinstance(seed, int) else {}
            runs[key].append(f"{key}-{SEED_IN_KEY.findall(copies[0])[-1]}")
            named = {field: _naming(entry[field], copy) for field, copy in zip(found, copies, strict=True)}
            _put(result, section, runs[key][-1], {**entry, **named, **drawn})
    return result


def _named(entry: Any, field: str) -> Any:
    """What a field of an entry names, itself or by its `checkpoint`."""
    value = entry.get(field) if isinstance(entry, dict) else None
    return value.get("checkpoint") if isinstance(value, dict) else value


def _naming(value: Any, copy: str) -> Any:
    """The value of such a field that names a copy."""
    return {**value, "checkpoint": copy} if isinstance(value, dict) else copy


def _with_groups(written: Raw, runs: Copies) -> Raw:
    """A file whose section of groups has those of copied runs, beside those that it gives."""
    given = written.get(GROUPS, {})
    if not runs or not isinstance(given, dict):
        return written
    groups = dict(given)
    for key, copies in runs.items():
        _put(groups, GROUPS, key, copies)
    return {**written, GROUPS: groups}


def _of_first(written: Raw, firsts: Mapping[str, Mapping[str, str]]) -> Raw:
    """A file in which the first copy stands wherever only one can."""
    of_both = {**firsts["model"], **firsts["run"]}
    costs = dict.fromkeys(("model", "than"), firsts["model"])
    changes: dict[str, Callable[[Raw], Raw]] = {
        **{section: partial(_renamed, {name: firsts[name] for name in fields}) for section, fields in OF_ONE.items()},
        "tables": partial(_renamed, dict.fromkeys(OF_ONE_IN_TABLES, of_both)),
        "figures": partial(_with_first_run, firsts["run"]),
        "claims": lambda claim: _renamed(_of_one_in_claim(claim, costs, firsts["run"]), claim),
    }
    return {
        section: {key: changes[section](entry) if isinstance(entry, dict) else entry for key, entry in entries.items()}
        if section in changes and isinstance(entries, dict)
        else entries
        for section, entries in written.items()
    }


def _of_one_in_claim(
    claim: Raw, costs: Mapping[str, Mapping[str, str]], runs: Mapping[str, str]
) -> Mapping[str, Mapping[str, str]]:
    """The fields of a claim that are of the first copy, with what stands in them."""
    if "model" in claim:  # what training costs
        return costs
    # A judge scores single runs; every other claim names runs, or groups of them.
    return {"runs": runs} if "judge" in claim else {}


def _renamed(names: Mapping[str, Mapping[str, str]], entry: Raw) -> Raw:
    """An entry whose fields have other names in them."""
    return {field: _replaced(value, names[field]) if field in names else value for field, value in entry.items()}


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    """A name, the names in a list or the keys of a mapping, replaced."""
    if isinstance(value, list):
        return [_replaced(one, names) for one in value]
    if isinstance(value, dict):
        return {names.get(key, key): one for key, one in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


def _with_first_run(names: Mapping[str, str], part: Raw) -> Raw:
    """A figure's section in which every field `run` or `runs` names single runs; its curves may name groups."""
    result: Raw = {}
    for field, value in part.items():
        if field == "runs" and isinstance(value, dict):
            result[field] = {label: names.get(run, run) for label, run in value.items()}
            continue
        one = names.get(value, value) if field == "run" and isinstance(value, str) else value
        result[field] = _with_first_run(names, one) if isinstance(one, dict) else one
    return result
