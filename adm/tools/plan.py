"""`plan`: tables and a figure of a params file's costs, before anything runs."""

from collections.abc import Mapping
from pathlib import Path

from adm.nets import PRESETS
from adm.nets.cost import network_forward_flops
from adm.params import Params
from adm.pipeline import Pipeline
from adm.planning import tables
from adm.planning.costs import ON_GPUS, Cost, Machine, costs_of, tasks_of, trains, without_training
from adm.planning.devices import published_share
from adm.planning.images import ImageCounts
from adm.planning.limits import limits_of
from adm.planning.schedule import remaining, schedule, total_work
from adm.planning.schedule_figure import Curve, Strip, schedule_figure
from adm.planning.work import Shares
from adm.report.accelerators import A100
from adm.report.compute import SECONDS_PER_DAY
from adm.report.figures import COLORS, write_figure
from adm.report.tables import write_table

GPUS = tuple(2**power for power in range(3, 11))
"""Numbers of GPUs for which the whole is scheduled."""

CAPTIONS = {
    "time": "What the jobs compute, and how long one device takes at the shares of its peak that the paper reached.",
    "machines": "Days until the last job ends, and the two bounds that no schedule beats.",
    "chains": "The longest chains of jobs on A100s, of them those of an hour and more.",
    "storage": "What lies in the results folder.",
    "transfers": "What the stages read and write; they hash what they read, and what they write to stay.",
    "limits": "What grows, where it is most, on A100s, beside what the params file grants a job that is tried once.",
}
"""Captions of the tables, by the names of their files."""


def run(params: Params, out: Path) -> None:
    """Write the tables and the figure `schedule` into the folder `out`.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    counts = ImageCounts(Pipeline(params))
    costs, train_gpus = costs_of(counts), params.resources.train.world_size
    made = {
        "time": tables.time_table(costs),
        "machines": tables.machine_table(costs, train_gpus, published_relative()),
        "chains": tables.chain_table(costs, train_gpus),
        "storage": tables.storage_table(costs),
        "transfers": tables.transfer_table(costs),
        "limits": tables.limit_table(limits_of(counts, costs, Machine(A100))),
    }
    for name, table in made.items():
        write_table(out / name, table, name.capitalize(), CAPTIONS[name])
    colors = dict(zip(ON_GPUS, COLORS, strict=False))
    figure = schedule_figure(_curves(costs, train_gpus), _strips(costs, train_gpus), colors)
    write_figure(out / "schedule", figure)


def published_relative() -> float:
    """The published share of an A100's peak for the 64x64 network, divided by Table 7's share of a V100's peak."""
    share = published_share(network_forward_flops(PRESETS["imagenet64"]))
    return share / Shares.read().measured["diffusion", 64]


def _curves(costs: Mapping[str, Cost], train_gpus: int) -> list[Curve]:
    cases = {
        f"up to {train_gpus} GPUs a training job": (costs, train_gpus),
        "as many GPUs a training job as its batch allows": (costs, None),
        "sampling and scoring alone, checkpoints are there": (without_training(costs), None),
    }
    if not trains(costs):
        cases = {"all jobs": (costs, None)}
    return [_curve(label, *case) for label, case in cases.items()]


def _curve(label: str, costs: Mapping[str, Cost], train_gpus: int | None) -> Curve:
    days, bounds = [], []
    for gpus in GPUS:
        tasks = tasks_of(costs, Machine(A100), gpus, train_gpus)
        longest = max(remaining(tasks).values())
        days.append(schedule(tasks, gpus).makespan / SECONDS_PER_DAY)
        bounds.append(max(longest, total_work(tasks) / gpus) / SECONDS_PER_DAY)
    return Curve(label, GPUS, days, bounds)


def _strips(costs: Mapping[str, Cost], train_gpus: int) -> list[Strip]:
    cases = {f"up to {train_gpus} GPUs a training job": train_gpus, "as many as its batch allows": None}
    if not trains(costs):
        cases = {"all jobs": None}
    strips = []
    for label, most in cases.items():
        tasks = tasks_of(costs, Machine(A100), tables.CLUSTER, most)
        found = schedule(tasks, tables.CLUSTER)
        held = f"{100 * found.utilisation:.0f} % of their time held"
        strips.append(Strip(f"{tables.CLUSTER} A100, {label}: {held}", tasks, found))
    return strips
