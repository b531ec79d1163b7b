"""`plan`: what a params file costs, before anything runs: operations, and days of devices."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

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
    groups, alone = defaultdict[str, list[Cost]](list), "processors alone"
    for cost in costs_of(Pipeline(params)).values():
        groups[cost.group if cost.work else alone].append(cost)
    rows = [_times(group, groups[group]) for group in sorted(groups, key=lambda name: name == alone)]
    table = pd.DataFrame([*rows, _times("all", [cost for costs in groups.values() for cost in costs])])
    yield "What the jobs compute, and days of one device at the shares of its peak that the paper reached:"
    yield ""
    yield from table.to_markdown(index=False, disable_numparse=True).splitlines()


def _days(costs: Iterable[Cost], device: Device) -> str:
    days = sum(seconds_on(cost, device) for cost in costs) / SECONDS_PER_DAY
    return f"{days:.0f}" if days >= 100 else f"{days:.1f}"


def _times(group: str, costs: list[Cost]) -> dict[str, object]:
    flops = f"{sum(cost.flops for cost in costs) / 1e18:.3g}"
    days = {f"{device.name}-days": _days(costs, device) for device in DEVICES}
    return {"Work": group, "Jobs": len(costs), "EFLOP": flops, **days}
