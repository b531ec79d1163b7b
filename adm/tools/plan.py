"""`plan`: what a params file costs, before anything runs: work, days of devices, and bytes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import pandas as pd

from adm.params import Params
from adm.pipeline import Pipeline
from adm.planning.costs import Cost, costs_of, seconds_on
from adm.report.compute import DEVICES, SECONDS_PER_DAY, Device


def run(params: Params) -> Iterator[str]:
    """Yield the lines of a plan, in Markdown.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    costs = costs_of(Pipeline(params))
    made = {
        "What the jobs compute, and days of one device at the shares of its peak that the paper reached": (
            _time_table(costs)
        ),
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


def _days(costs: Iterable[Cost], device: Device) -> str:
    days = sum(seconds_on(cost, device) for cost in costs) / SECONDS_PER_DAY
    return f"{days:.0f}" if days >= 100 else f"{days:.1f}"


def _times(group: str, costs: list[Cost]) -> dict[str, object]:
    flops = f"{sum(cost.flops for cost in costs) / 1e18:.3g}"
    days = {f"{device.name}-days": _days(costs, device) for device in DEVICES}
    return {"Work": group, "Jobs": len(costs), "EFLOP": flops, **days}


def _stored(folder: str, costs: list[Cost]) -> dict[str, object]:
    sizes = [cost.writes for cost in costs]
    return {
        "Folder": folder,
        "Artifacts": len(sizes),
        "GB": f"{sum(sizes) / 1e9:.4g}",
        "Largest, GB": f"{max(sizes, default=0) / 1e9:.4g}",
    }
