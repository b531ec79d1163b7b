"""A figure of schedules: the time of the whole by the number of GPUs, and the use of each GPU over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from adm.planning.schedule import Schedule, Task
from adm.report.compute import SECONDS_PER_DAY
from adm.report.figures import COLORS, MARKERS, STYLE

COLUMNS = 1600
"""Width of a strip in pixels; a task shorter than one pixel is rarely visible."""

IDLE = "#EEEEEE"
"""The colour of an idle GPU."""


@dataclass(frozen=True)
class Curve:
    """Days by number of GPUs.

    Attributes:
        label: The way in which jobs take GPUs.
        gpus: The numbers of GPUs.
        days: Days of the schedule for each number.
        bounds: Lower bounds in days: the larger of the longest chain and the work divided by the GPUs.
    """

    label: str
    gpus: Sequence[int]
    days: Sequence[float]
    bounds: Sequence[float]


@dataclass(frozen=True)
class Strip:
    """The use of every GPU over time.

    Attributes:
        title: The strip's title.
        tasks: Tasks by name.
        schedule: Their schedule.
    """

    title: str
    tasks: Mapping[str, Task]
    schedule: Schedule


def schedule_figure(curves: Sequence[Curve], strips: Sequence[Strip], colors: Mapping[str, str]) -> Figure:
    """Days against GPUs, with dashed lower bounds, and below them strips with a common time axis.

    Args:
        curves: At least one curve.
        strips: At least one strip.
        colors: The colour of each group that holds GPUs, in the order of the legend.
    """
    shown = {task.group for strip in strips for task in strip.tasks.values() if task.gpus}
    colors = {group: color for group, color in colors.items() if group in shown}
    days = max(strip.schedule.makespan for strip in strips) / SECONDS_PER_DAY
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.6 + 2.0 * len(strips)), layout="constrained")
        top, *rows = figure.subplots(1 + len(strips), 1, height_ratios=[1.7, *[1] * len(strips)])
        _draw_curves(top, curves)
        for axes, strip in zip(rows, strips, strict=True):
            _draw_strip(axes, strip, colors, days)
        rows[-1].set_xlabel("Days")
        patches = [Patch(facecolor=color, label=group) for group, color in {**colors, "idle": IDLE}.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=4)
    return figure


def _draw_curves(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve, color, marker in zip(curves, COLORS, MARKERS, strict=False):
        axes.plot(curve.gpus, curve.days, color=color, marker=marker, label=curve.label)
        axes.plot(curve.gpus, curve.bounds, color=color, linestyle="--", linewidth=0.8, marker="")
    axes.plot([], [], color="0.4", linestyle="--", linewidth=0.8, marker="", label="no schedule is shorter")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted({gpus for curve in curves for gpus in curve.gpus})
    axes.set_xticks(ticks, [str(gpus) for gpus in ticks])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="GPUs", ylabel="Days until the last job ends")
    axes.legend(loc="upper right")


def _draw_strip(axes: Axes, strip: Strip, colors: Mapping[str, str], days: float) -> None:
    gpus = strip.schedule.gpus
    image = _raster(strip, list(colors), days * SECONDS_PER_DAY)
    palette = ListedColormap([IDLE, *colors.values()])
    axes.imshow(
        image,
        cmap=palette,
        vmin=-0.5,
        vmax=len(colors) + 0.5,
        extent=(0, days, gpus, 0),
        aspect="auto",
        interpolation="nearest",
    )
    axes.grid(visible=False)
    axes.set_ylabel("GPU")
    axes.set_yticks([0, gpus // 2, gpus])
    axes.set_title(strip.title, loc="left", fontsize=STYLE["font.size"])


def _raster(strip: Strip, groups: Sequence[str], seconds: float) -> NDArray[np.uint8]:
    """(gpus, COLUMNS): 1 + the index of the group that holds a GPU at the middle of a column; 0 if none does.

    Columns after the schedule's end are masked.
    """
    middles = (np.arange(COLUMNS) + 0.5) * (seconds / COLUMNS)
    image = np.zeros((strip.schedule.gpus, COLUMNS), np.uint8)
    for name, placed in strip.schedule.placed.items():
        first, last = np.searchsorted(middles, [placed.start, placed.end])
        image[list(placed.gpus), first:last] = 1 + groups.index(strip.tasks[name].group) if placed.gpus else 0
    behind = np.broadcast_to(middles > strip.schedule.makespan, image.shape)
    masked: NDArray[np.uint8] = np.ma.masked_array(image, behind)
    return masked
