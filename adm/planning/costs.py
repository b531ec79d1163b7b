"""What a params file costs, before anything runs: operations of all jobs, and days of devices.

Features and timings are not counted: of the paper's scale they are one V100-day in 7,200.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

import pandas as pd

from adm.config.models import AnyModel, ClassifierModel, Precision
from adm.nets.cost import network_cost
from adm.paper import table_cells
from adm.params import Params
from adm.pipeline import Job, Pipeline
from adm.pipeline.jobs import Passes
from adm.report.compute import DEVICES, SECONDS_PER_DAY, Device

SINGLE: frozenset[Precision] = frozenset({"float32", "tf32"})
"""Precisions that are planned as float32; no share of a peak in TensorFloat-32 is published."""

CLASSIFIER_SHARE = 0.11
"""Share of a V100's peak in training a classifier: with it, Table 12's iterations give the days of Table 10."""

SINGLE_SHARE = 0.6
"""Share of a device's float32 peak that a network reaches. An assumption, because nothing is published."""


def costs_of(job: Job) -> list[Passes]:
    """List the passes of networks that a job costs on accelerators, whatever these are."""
    return [one for one in job.kind.cost(job) if one.count] if job.kind.cost else []


def flops_of(passes: Iterable[Passes]) -> float:
    """Count the floating-point operations of passes of networks."""
    return sum(one.count * network_cost(one.model).flops for one in passes)


def seconds_on(passes: Iterable[Passes], device: Device) -> float:
    """Estimate the seconds that one device computes for passes of networks."""
    peaks = ((one, device.single_flops if one.precision in SINGLE else device.half_flops) for one in passes)
    return sum(flops_of([one]) / (peak * share_of(one.model, one.precision)) for one, peak in peaks)


@cache
def measured_shares() -> dict[tuple[str, int], float]:
    """Return the share of a V100's peak that the paper's training reached, by kind of model and image size.

    Source: Table 7, the optimised rows.
    """
    header, cells = table_cells("table_7")
    rows = [dict(zip(header, each, strict=True)) for each in cells]
    rates = {(row["group"], row["row"]): float(row["images_per_v100_second"]) for row in rows}
    measured = {}
    for sizes in dict.fromkeys(row["group"] for row in rows):
        # "64×64" is a diffusion model, "64→256" an upsampler.
        _, sign, side = re.split("([×→])", sizes)
        kind = "diffusion" if sign == "×" else "upsampler"
        measured[kind, int(side)] = rates[sizes, "Optimized"] / rates[sizes, "Theoretical"]
    return measured


def share_of(model: AnyModel, precision: Precision) -> float:
    """Assume the share of a device's peak that training or sampling a model reaches: that of the nearest size."""
    if precision in SINGLE:
        return SINGLE_SHARE
    if isinstance(model, ClassifierModel):
        return CLASSIFIER_SHARE
    side, measured = model.network.image_size, measured_shares()
    sizes = [size for kind, size in measured if kind == model.kind]
    return measured[model.kind, min(sizes, key=lambda size: abs(math.log(size / side)))]


def plan(params: Params) -> Iterator[str]:
    """Yield the lines of a plan, in Markdown."""
    groups, alone = defaultdict[str, list[list[Passes]]](list), "not counted"
    for job in Pipeline(params).jobs.values():
        model, cost = getattr(job.sections.get("model"), "kind", ""), costs_of(job)
        group = f"{job.kind.name}, {model}" if model else job.kind.name
        groups[group if cost else alone].append(cost)
    rows = [_times(group, groups[group]) for group in sorted(groups, key=lambda name: name == alone)]
    table = pd.DataFrame([*rows, _times("all", [cost for costs in groups.values() for cost in costs])])
    yield "What the jobs compute, and days of one device at the shares of its peak that the paper reached:"
    yield ""
    yield from table.to_markdown(index=False, disable_numparse=True).splitlines()


def _times(group: str, costs: list[list[Passes]]) -> dict[str, object]:
    flops = f"{sum(map(flops_of, costs)) / 1e18:.3g}"
    days = {one: sum(seconds_on(cost, one) for cost in costs) / SECONDS_PER_DAY for one in DEVICES}
    form = {one: ".0f" if each >= 100 else ".1f" if each >= 0.1 else ".1g" for one, each in days.items()}
    printed = {f"{one.name}-days": format(each, form[one]) for one, each in days.items()}
    return {"Work": group, "Jobs": len(costs), "EFLOP": flops, **printed}
