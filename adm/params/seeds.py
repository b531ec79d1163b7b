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
from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

from adm.config.models import TrainingSeeds, is_seed
from adm.params.entries import SCORED, SEEDED, SEEDS, Entries, Raw, merged, stops_of
from adm.params.references import RUNS, Named, references, visit
from adm.params.schema import Groups, kinds_of_entries
from adm.params.section import value_key

GROUPS = "groups"
"""The section that names groups of runs."""

SEED_IN_KEY = re.compile(r"seed-(?:[0-9]+|w[0-9]+-d[0-9]+-n[0-9]+)")
"""The part of a copy's key that its run's key has, too; the last one, as a copy may be a run."""

Copies = dict[str, list[str]]
"""The keys of the copies of each key that is copied, in the order of its seeds."""


def with_seeds(written: Raw) -> Raw:
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
