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

from adm.config.models import TrainingSeeds, is_seed
from adm.errors import shown
from adm.params.naming import count_key
from adm.params.references import RUNS, Named, references, visit
from adm.params.schema import kind_of, kind_of_entries, params_class

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

FOLLOWING = ("runs", "upsampled_runs", "gan_runs")
"""Sections with an entry for each copy of what they name; a section may name those before it."""

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
    known = {"checkpoints": _checkpoints(result.get("models"), models), "gans": gans, "runs": runs}
    for section in FOLLOWING:
        if isinstance(entries := result.get(section), dict):
            result[section] = _followed(section, entries, known)
    result = _with_groups(result, runs)
    groups = {key: members for key, members in _mapping(result.get(GROUPS)).items() if isinstance(members, list)}
    firsts = {**known, "models": models, **dict.fromkeys(RUNS, groups)}
    for section in (name for name in params_class().model_fields if name not in FOLLOWING):
        if isinstance(entries := result.get(section), dict):
            result[section] = visit(kind_of(section), entries, partial(_first, firsts))
    return result


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _first(copies: Mapping[str, Copies], named: Named) -> list[str]:
    """The first copy of what is named, if but one can be."""
    found = copies.get(named.ref.of, {}).get(named.key)
    return [found[0] if found and not named.ref.groups else named.key]


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


def _followed(section: str, entries: Raw, known: Mapping[str, Copies]) -> Raw:
    """Entries of runs, one for each copy of what they name, the i-th with the i-th; `known` gets their keys."""
    kind, runs = kind_of_entries(section), known["runs"]
    result: Raw = {}
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
            drawn = {"seed": seed + number * STRIDE} if number and isinstance(seed, int) else {}
            named = visit(kind, entry, partial(_ith, known, number))
            _put(result, section, copy, {**named, **drawn})
    return result


def _ith(known: Mapping[str, Copies], number: int, named: Named) -> list[str]:
    copies = known.get(named.ref.of, {}).get(named.key)
    return [copies[number] if copies else named.key]


def _with_groups(written: Raw, runs: Copies) -> Raw:
    """A file whose section of groups has those of copied runs, beside those that it gives."""
    given = written.get(GROUPS, {})
    if not runs or not isinstance(given, dict):
        return written
    groups = dict(given)
    for key, copies in runs.items():
        _put(groups, GROUPS, key, copies)
    return {**written, GROUPS: groups}
