"""Tables of a scale's costs: time by kind of work, days on some machines, bytes, transfers, and limits."""

from collections import defaultdict
from collections.abc import Mapping

import pandas as pd

from adm.planning.costs import Cost, Machine, in_groups, tasks_of, trains, without_training
from adm.planning.limits import Limit
from adm.planning.schedule import critical_path, schedule, total_work
from adm.report.accelerators import A100, DEVICES, H100
from adm.report.compute import SECONDS_PER_DAY

GIGABYTE = 1e9
HOUR = 3600.0

NODE, CLUSTER = 8, 64
"""GPUs of one machine and of a cluster of eight machines."""


def time_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Operations, days on one device, and hours on processors, by kind of work."""
    rows = [_times(group, found) for group, found in in_groups(costs)]
    return pd.DataFrame([*rows, _times("all", list(costs.values()))])


def machine_table(costs: Mapping[str, Cost], train_gpus: int, relative: float) -> pd.DataFrame:
    """Days on some machines: for all jobs, and for the jobs that remain if all checkpoints exist.

    Args:
        costs: Costs of all jobs.
        train_gpus: GPUs of a training job in the params file.
        relative: The published share of an A100's peak, divided by that of a V100.
    """
    rows = []
    for device in (A100, H100):
        for shares, machine in (("as in Table 7", Machine(device)), ("as EDM's on A100", Machine(device, relative))):
            for gpus, most in ((NODE, train_gpus), (CLUSTER, train_gpus), (CLUSTER, None))[: 3 if trains(costs) else 2]:
                rows.append(
                    {
                        "Machine": f"{device.name}, {gpus} GPUs",
                        "Shares of the peak": shares,
                        "GPUs a training job": "as many as fit" if most is None else f"up to {most}",
                        **_days(costs, machine, gpus, most),
                    }
                )
    return pd.DataFrame(rows)


def chain_table(costs: Mapping[str, Cost], train_gpus: int) -> pd.DataFrame:
    """The longest chain of jobs on A100s: with the params file's GPUs for training, with as many as fit, and none."""
    cases = {"checkpoints are there": tasks_of(without_training(costs), Machine(A100), CLUSTER)}
    if trains(costs):
        cases = {
            f"up to {train_gpus} GPUs a training job": tasks_of(costs, Machine(A100), CLUSTER, train_gpus),
            "as many as fit": tasks_of(costs, Machine(A100), CLUSTER),
            **cases,
        }
    rows = []
    for case, tasks in cases.items():
        for name in critical_path(tasks):
            if tasks[name].seconds >= HOUR:
                rows.append(
                    {"Case": case, "Job": name, "GPUs": tasks[name].gpus, "Days": _in_days(tasks[name].seconds)}
                )
    return pd.DataFrame(rows)


def storage_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Bytes of the artifacts, by their folder."""
    by_folder: defaultdict[str, list[Cost]] = defaultdict(list)
    for cost in costs.values():
        if cost.stored.size:
            by_folder[f"{cost.stored.folder}{', while sampling' * cost.stored.temporary}"].append(cost)
    kept = [cost for cost in costs.values() if cost.stored.size and not cost.stored.temporary]
    rows = [_stored(folder, found) for folder, found in sorted(by_folder.items())]
    return pd.DataFrame([*rows, _stored("all that stays", kept)])


def transfer_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Bytes that stages read and write, and hours of hashing them on one core."""
    by_rule: defaultdict[str, list[Cost]] = defaultdict(list)
    for cost in costs.values():
        if cost.hashing_seconds:
            by_rule[cost.job.rule].append(cost)
    rows = [_transferred(rule, found) for rule, found in by_rule.items()]
    return pd.DataFrame([*rows, _transferred("all", list(costs.values()))])


def limit_table(limits: list[Limit]) -> pd.DataFrame:
    """Limits at this size and at ten times as many images, runs and models, with the granted resources."""
    return pd.DataFrame(
        [
            {
                "What": limit.what,
                "Job": limit.job,
                "Unit": limit.unit,
                "Granted": "" if limit.granted is None else f"{limit.granted:.3g}",
                "Here": f"{limit.here:.3g}",
                "Ten times the size": f"{limit.larger:.3g}",
            }
            for limit in limits
        ]
    )


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


def _days(costs: Mapping[str, Cost], machine: Machine, gpus: int, train_gpus: int | None) -> dict[str, object]:
    tasks = tasks_of(costs, machine, gpus, train_gpus)
    whole, chain = schedule(tasks, gpus), critical_path(tasks)
    sampled = schedule(tasks_of(without_training(costs), machine, gpus), gpus)
    return {
        "Days": _in_days(whole.makespan),
        "Work / GPUs": _in_days(total_work(tasks) / gpus),
        "Longest chain": _in_days(sum(tasks[name].seconds for name in chain)),
        "GPUs busy": f"{100 * whole.utilisation:.0f} %",
        "Days without training": _in_days(sampled.makespan),
    }


def _in_days(seconds: float) -> str:
    days = seconds / SECONDS_PER_DAY
    return f"{days:.0f}" if days >= 100 else f"{days:.1f}"


def _stored(folder: str, costs: list[Cost]) -> dict[str, object]:
    sizes = [cost.stored.size for cost in costs]
    return {
        "Folder": folder,
        "Artifacts": len(sizes),
        "GB": f"{sum(sizes) / GIGABYTE:.4g}",
        "Largest, GB": f"{max(sizes, default=0) / GIGABYTE:.4g}",
    }


def _transferred(rule: str, costs: list[Cost]) -> dict[str, object]:
    hours = [cost.hashing_seconds / HOUR for cost in costs]
    return {
        "Stage": rule,
        "Jobs": len(costs),
        "Read, GB": f"{sum(cost.reads for cost in costs) / GIGABYTE:.4g}",
        "Written, GB": f"{sum(cost.stored.size for cost in costs) / GIGABYTE:.4g}",
        "Hours of hashing": f"{sum(hours):.2f}",
        "Longest, hours": f"{max(hours):.2f}",
    }
