"""Tables of a scale's costs: time by kind of work, days on some machines, the longest chain of jobs, and bytes."""

from collections import defaultdict
from collections.abc import Callable, Mapping

import pandas as pd

from adm.planning.costs import Cost, Machine, longest_chain, seconds_on, without_training
from adm.report.compute import A100, DEVICES, H100, SECONDS_PER_DAY

GIGABYTE = 1e9
HOUR = 3600.0

MACHINES = (8, 64)
"""GPUs of one machine and of a cluster of eight."""


def time_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Operations, days on one device, and hours on processors, by kind of work."""
    groups = _grouped(costs, lambda cost: cost.group if cost.work else "processors alone")
    rows = [_times(group, groups[group]) for group in sorted(groups, key=lambda name: name == "processors alone")]
    return pd.DataFrame([*rows, _times("all", list(costs.values()))])


def machine_table(costs: Mapping[str, Cost], train_gpus: int, relative: float) -> pd.DataFrame:
    """Days on some machines that no schedule beats: work over GPUs, and the longest chain.

    Args:
        costs: Costs of all jobs.
        train_gpus: GPUs of a training job in the params file.
        relative: The published share of an A100's peak, divided by that of a V100.
    """
    rows = []
    sampled = without_training(costs)
    for device in (A100, H100):
        for shares, machine in (("as in Table 7", Machine(device)), ("as EDM's on A100", Machine(device, relative))):
            for gpus in MACHINES:
                most = {"train": min(train_gpus, gpus)}
                rows.append(
                    {
                        "Machine": f"{device.name}, {gpus} GPUs",
                        "Shares of the peak": shares,
                        "Days of work": _in_days(_spread(costs, machine) / gpus),
                        "Longest chain": _in_days(sum(seconds for _, seconds in longest_chain(costs, machine, most))),
                        "Days without training": _in_days(_spread(sampled, machine) / gpus),
                    }
                )
    return pd.DataFrame(rows)


def chain_table(costs: Mapping[str, Cost], train_gpus: int) -> pd.DataFrame:
    """The jobs of an hour and more of the longest chain on A100s, with the params file's GPUs for training."""
    chain = longest_chain(costs, Machine(A100), {"train": train_gpus})
    return pd.DataFrame(
        [{"Job": name, "Days": _in_days(seconds)} for name, seconds in chain if seconds >= HOUR] or [{"Job": "none"}]
    )


def storage_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Bytes of the artifacts, by their folder."""
    stored = {name: cost for name, cost in costs.items() if cost.writes}
    folders = _grouped(stored, lambda cost: f"{_folder(cost)}{'' if cost.is_kept else ', while sampling'}")
    kept = [cost for cost in stored.values() if cost.is_kept]
    return pd.DataFrame([*(_stored(name, folders[name]) for name in sorted(folders)), _stored("all that stays", kept)])


def longest_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """The job of each kind that takes longest on one A100 and its threads, beside the minutes that it is granted."""
    rows = []
    for kind, found in _grouped(costs, lambda cost: cost.job.kind.name).items():
        seconds, cost = max(((seconds_on(cost, Machine(A100), 1), cost) for cost in found), key=lambda pair: pair[0])
        if seconds >= HOUR / 60:
            rows.append({"Kind": kind, "Job": cost.job.key, "Hours": f"{seconds / HOUR:.3g}"})
    return pd.DataFrame(rows or [{"Kind": "none of a minute"}])


def _grouped(costs: Mapping[str, Cost], name_of: Callable[[Cost], str]) -> dict[str, list[Cost]]:
    groups: defaultdict[str, list[Cost]] = defaultdict(list)
    for cost in costs.values():
        groups[name_of(cost)].append(cost)
    return groups


def _folder(cost: Cost) -> str:
    return cost.job.out.relative_to(cost.job.root).parts[0]


def _spread(costs: Mapping[str, Cost], machine: Machine) -> float:
    return sum(machine.gpu_seconds(cost) for cost in costs.values())


def _times(group: str, costs: list[Cost]) -> dict[str, object]:
    days = {
        f"{device.name}-days": _in_days(sum(Machine(device).gpu_seconds(cost) for cost in costs)) for device in DEVICES
    }
    processors = sum(cost.processor_seconds + cost.hashing_seconds for cost in costs)
    return {
        "Work": group,
        "Jobs": len(costs),
        "EFLOP": f"{sum(cost.flops for cost in costs) / 1e18:.3g}",
        **days,
        "Hours of processors": f"{processors / HOUR:.1f}",
    }


def _in_days(seconds: float) -> str:
    days = seconds / SECONDS_PER_DAY
    return f"{days:.0f}" if days >= 100 else f"{days:.1f}"


def _stored(folder: str, costs: list[Cost]) -> dict[str, object]:
    sizes = [cost.writes for cost in costs]
    return {
        "Folder": folder,
        "Artifacts": len(sizes),
        "GB": f"{sum(sizes) / GIGABYTE:.4g}",
        "Largest, GB": f"{max(sizes, default=0) / GIGABYTE:.4g}",
    }
