"""`plan`: what a params file costs, before anything runs: work and time, the longest chain of jobs, and bytes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import pandas as pd

from adm.params import Params
from adm.pipeline import Pipeline
from adm.planning.costs import Cost, costs_of, longest_chain, seconds_on
from adm.report.compute import A100, DEVICES, H100, SECONDS_PER_DAY, Device

HOUR = 3600.0


def run(params: Params) -> Iterator[str]:
    """Yield the lines of a plan, in Markdown.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    costs, train_gpus = costs_of(Pipeline(params)), params.resources.train.world_size
    made = {
        "What the jobs compute, and days of one device at the shares of its peak that the paper reached": (
            _time_table(costs)
        ),
        f"Days that no schedule beats, with up to {train_gpus} GPUs a training job": _bound_table(costs, train_gpus),
        "The longest chain of jobs on A100s, of it those of an hour and more": _chain_table(costs, train_gpus),
        "What lies in the results folder": _storage_table(costs),
    }
    for caption, table in made.items():
        yield from (
            f"{caption}:",
            "",
            *table.fillna("").to_markdown(index=False, disable_numparse=True).splitlines(),
            "",
        )


def _time_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    groups = _grouped(costs, lambda cost: cost.group if cost.work else "processors alone")
    rows = [_times(group, groups[group]) for group in sorted(groups, key=lambda name: name == "processors alone")]
    return pd.DataFrame([*rows, _times("all", list(costs.values()))])


def _bound_table(costs: Mapping[str, Cost], train_gpus: int) -> pd.DataFrame:
    """List days that no schedule beats: work over GPUs, and the longest chain."""
    rows = []
    sampled = [cost for cost in costs.values() if cost.job.kind.name != "train"]
    for device in (A100, H100):
        for gpus in (8, 64):
            chain = longest_chain(costs, device, {"train": min(train_gpus, gpus)})
            rows.append(
                {
                    "Machine": f"{device.name}, {gpus} GPUs",
                    "Days of work": _days(costs.values(), device, gpus),
                    "Longest chain": _in_days(sum(seconds for _, seconds in chain)),
                    "Days without training": _days(sampled, device, gpus),
                }
            )
    return pd.DataFrame(rows)


def _chain_table(costs: Mapping[str, Cost], train_gpus: int) -> pd.DataFrame:
    """List the jobs of an hour and more of the longest chain on A100s, with the params file's GPUs for training."""
    chain = longest_chain(costs, A100, {"train": train_gpus})
    return pd.DataFrame(
        [{"Job": name, "Days": _in_days(seconds)} for name, seconds in chain if seconds >= HOUR] or [{"Job": "none"}]
    )


def _storage_table(costs: Mapping[str, Cost]) -> pd.DataFrame:
    stored = {name: cost for name, cost in costs.items() if cost.writes}
    folders = _grouped(
        stored,
        lambda cost: cost.job.out.relative_to(cost.job.root).parts[0] + ("" if cost.is_kept else ", while sampling"),
    )
    kept = [cost for cost in stored.values() if cost.is_kept]
    return pd.DataFrame([*(_stored(name, folders[name]) for name in sorted(folders)), _stored("all that stays", kept)])


def _grouped(costs: Mapping[str, Cost], name_of: Callable[[Cost], str]) -> dict[str, list[Cost]]:
    groups: defaultdict[str, list[Cost]] = defaultdict(list)
    for cost in costs.values():
        groups[name_of(cost)].append(cost)
    return groups


def _days(costs: Iterable[Cost], device: Device, gpus: int = 1) -> str:
    return _in_days(sum(seconds_on(cost, device) for cost in costs) / gpus)


def _times(group: str, costs: list[Cost]) -> dict[str, object]:
    flops = f"{sum(cost.flops for cost in costs) / 1e18:.3g}"
    days = {f"{device.name}-days": _days(costs, device) for device in DEVICES}
    return {"Work": group, "Jobs": len(costs), "EFLOP": flops, **days}


def _in_days(seconds: float) -> str:
    days = seconds / SECONDS_PER_DAY
    return f"{days:.0f}" if days >= 100 else f"{days:.1f}"


def _stored(folder: str, costs: list[Cost]) -> dict[str, object]:
    sizes = [cost.writes for cost in costs]
    return {
        "Folder": folder,
        "Artifacts": len(sizes),
        "GB": f"{sum(sizes) / 1e9:.4g}",
        "Largest, GB": f"{max(sizes, default=0) / 1e9:.4g}",
    }
