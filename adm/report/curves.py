"""Line plots: of metrics against what training or sampling took, each other, the temperature; of likelihoods.

If a frame has the columns `<metric>_low` and `<metric>_high`, they are drawn as light bars around the points.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox, ScaledTranslation
from numpy.typing import NDArray

from adm.config.metrics import METRICS
from adm.report.figures import COLORS, LINES, MARKERS, STYLE, axis_label
from adm.report.lottery import Lottery
from adm.sampling.studies import Likelihood

TAKEN = {
    "flops": ("Training compute", {"GFLOP": 1e9, "TFLOP": 1e12, "PFLOP": 1e15, "EFLOP": 1e18, "ZFLOP": 1e21}),
    "seconds": ("Training time", {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86_400.0}),
    "evaluations": ("Network evaluations", {"per image": 1.0}),
}
"""Efforts of training or sampling: each has its name at an axis, and units from the smallest on."""

LABEL_SIZE = 7.5
"""Font size, in points, of the text beside a point of a curve."""

OFFSETS = ((5, 4), (5, -4), (-5, 4), (-5, -4), (0, 6), (0, -6))
"""Possible offsets of a label from its point, in points; the first free one is used."""

SIDES = ((7, 0), (-7, 0))
"""More of them, for the end of a curve, which always has its label, where none of those is free."""


def ablation_curves(panels: Mapping[str, Mapping[str, pd.DataFrame]], x: str) -> Figure:
    """Draw FID against what training or sampling took.

    Args:
        panels: By title, curves by label: frames with the columns `x` and `fid`, a row a checkpoint or a run.
        x: Of TAKEN.

    Source: Figure 5.
    """
    frames = [frame.dropna(subset=[x, "fid"]) for curves in panels.values() for frame in curves.values()]
    name, units = TAKEN[x]
    amounts = [value for frame in frames for value in frame[x]]
    # A label that several panels share looks the same in each.
    seen = [label for curves in panels.values() for label in curves]
    shared = list(dict.fromkeys(label for label in seen if seen.count(label) > 1))
    largest = max(amounts)
    # The largest unit in which it is at least 2, else the smallest.
    unit = next((unit for unit in reversed(units) if largest / units[unit] >= 2), next(iter(units)))
    with mpl.rc_context(STYLE):
        figure, grid = _panels(len(panels), 4.4, across=2, sharey=True)
        for axes, (title, curves) in zip(grid, panels.items(), strict=True):
            order = list(dict.fromkeys([*shared, *curves]))
            for label, frame in curves.items():
                scaled = frame.assign(**{x: frame[x] / units[unit]})
                _curve(axes, scaled, x, "fid", label, order.index(label))
            axes.set(title=title, xlabel=f"{name} ({unit})", ylabel=axis_label("fid"))
            if x == "evaluations":
                _logarithmic(axes, "x")
                axes.set_xticks(sorted(set(max(curves.values(), key=len)[x])))
            elif _is_wide(amounts):
                _logarithmic(axes, "x")
            else:
                axes.set_xlim(left=0)
            axes.yaxis.set_tick_params(labelleft=True)
            # In two columns, 0.45 inches below axes of any height: the room of the labels of ticks and axis.
            below = axes.transAxes + ScaledTranslation(0, -0.45, figure.dpi_scale_trans)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=2)
        _scale(grid[0], frames, "fid")
    return figure


def trade_off(curves: Mapping[str, pd.DataFrame], pairs: Sequence[Sequence[str]]) -> Figure:
    """Draw metrics against each other while a parameter varies.

    Args:
        curves: By label, frames with the columns that `pairs` names and `value`, the value of the parameter.
        pairs: The metrics on the x axis and on the y axis of each panel.

    Source: Figure 6.
    """
    curves = {label: frame.sort_values("value", kind="stable") for label, frame in curves.items()}
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(pairs), 3.6)
        for axes, (x, y) in zip(panels, pairs, strict=True):
            for index, (label, frame) in enumerate(curves.items()):
                _curve(axes, frame, x, y, label, index)
            axes.set(xlabel=axis_label(x), ylabel=axis_label(y))
            axes.margins(0.12)
            _scale(axes, curves.values(), y)
        _legend_above(figure, panels[0])
        figure.draw_without_rendering()  # labels can avoid each other only when the layout is known
        for axes, (x, y) in zip(panels, pairs, strict=True):
            _label_points(axes, curves.values(), x, y)
    return figure


def along(curves: Mapping[str, pd.DataFrame], metrics: Sequence[str], xlabel: str) -> Figure:
    """Draw metrics against a parameter of the runs, one panel for each metric.

    Args:
        curves: By label, frames with the columns `value`, the parameter, and `metrics`.
        metrics: The metric on the y axis of each panel.
        xlabel: The parameter's label.

    Source: Figure 11.
    """
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(metrics), 3.3)
        for axes, metric in zip(panels, metrics, strict=True):
            for index, (label, frame) in enumerate(curves.items()):
                _curve(axes, frame, "value", metric, label, index)
            axes.set(xlabel=xlabel, ylabel=axis_label(metric))
            _scale(axes, curves.values(), metric)
        _legend_above(figure, panels[0])
    return figure


def likelihood(curves: Mapping[str, Likelihood]) -> Figure:
    """Draw the terms of L_vlb over the timestep, and their running sum from t = 0, with the prior added at the end.

    Source: equations 8-11; Nichol & Dhariwal (2021), figure 2.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        terms, sums = figure.subplots(1, 2)
        for index, (label, study) in enumerate(curves.items()):
            style: dict[str, Any] = {"color": COLORS[index % len(COLORS)], "marker": MARKERS[index % len(MARKERS)]}
            total = study.bits.mean()
            name = f"{label}: {total:.3f} ± {study.standard_error:.3f} bits/dim"
            # Counted from 1, as in the equations, because the axis is logarithmic: the first terms hold half the bits.
            t = study.timesteps + 1
            terms.plot(t, study.vlb, label=name, markevery=_evenly(len(t)), **style)
            reached = np.append(np.cumsum(study.vlb), total)
            sums.plot(np.append(t, t[-1] + 1), reached, markevery=_evenly(len(reached)), **style)
        terms.set(ylabel="Term of the bound (bits/dim)", yscale="log")
        sums.set(ylabel="Sum of the terms so far (bits/dim)", ylim=(0, None))
        for axes in (terms, sums):
            axes.set(xlabel="Timestep, counted from 1", xscale="log")
            axes.xaxis.set_major_formatter("{x:g}")
        _legend_above(figure, terms, columns=2)
    return figure


def lottery(drawn: Lottery, label: str) -> Figure:
    """Draw a metric by each kind of seed, in a panel each, and the standard deviation that each kind makes.

    A model's draws of samples are dots on a line; a bar is the mean of the models of one seed. The same models stand in
    all three panels; `label` is the metric in print.
    """
    names = {"weights": "Initial weights", "data": "Order of the data", "noise": "Noise of the loss"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        *strips, spread = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.35])
        for axes, (kind, name), seeds, color in zip(
            strips, names.items(), np.array(drawn.levels).T, COLORS, strict=False
        ):
            for place, seed in enumerate(np.unique(seeds)):
                rows = drawn.values[seeds == seed]
                for beside, values in zip(np.linspace(-0.3, 0.3, len(rows)), rows, strict=True):
                    at = [place + beside] * len(values)
                    axes.plot(at, values, color=color, marker="o", markersize=3, linewidth=0.8, alpha=0.6)
                axes.hlines(rows.mean(), place - 0.42, place + 0.42, color="black", linewidth=1.6, zorder=3)
            axes.set_xticks(range(drawn.seeds), [str(seed) for seed in np.unique(seeds)])
            axes.set(title=name, xlabel=f"Seed of {kind}")
            axes.grid(visible=False, axis="x")
            axes.sharey(strips[0])
            axes.yaxis.set_tick_params(labelleft=axes is strips[0])
        strips[0].set_ylabel(label)
        names |= {"rest": "the three together", "retraining": "retraining", "resampling": "drawing again"}
        for row, (estimate, low, high) in enumerate(drawn.components.values()):
            color = COLORS[row] if row < len(strips) else "black"
            spread.hlines(row, low, high, color=color, linewidth=1.4)
            spread.plot(estimate, row, color=color, marker="o", markersize=5)
        spread.set_yticks(range(6), [names[part].lower() for part in drawn.components])
        spread.axhline(3.5, color="grey", linewidth=0.6)
        spread.set(title="Spread and 95 % interval", xlabel=f"Standard deviation of {label}", ylim=(5.5, -0.5))
        spread.set_xlim(left=0)
        spread.grid(visible=False, axis="y")
    return figure


def _evenly(count: int) -> list[int]:
    """List about ten of a curve's points that have markers: even on a logarithmic axis that counts from 1."""
    return sorted({round(place) - 1 for place in np.geomspace(1, count, 10)})


def _panels(count: int, height: float, across: int = 3, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Lay out panels side by side, of which `across` fill a page's width."""
    columns = min(across, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(4.0, 10 * columns / across), height * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def _scale(axes: Axes, curves: Iterable[pd.DataFrame], metric: str) -> None:
    """Make the y axis logarithmic for distances that differ widely; it stays linear for shares and scores.

    Bars may leave it below. It stays linear, too, where some reach below zero and distances differ less than tenfold.
    """
    frames = [*curves]
    values = [value for frame in frames for value in frame[metric].dropna()]
    if METRICS[metric].better != "lower" or not _is_wide(values):
        return
    lows = [low for frame in frames for low in frame.get(f"{metric}_low", pd.Series(dtype=float)).dropna()]
    if min(lows, default=1.0) > 0 or _is_wide(values, 10):
        _logarithmic(axes, "y")
        axes.set_ylim(bottom=max(axes.get_ylim()[0], min(values) / 2))


def _curve(axes: Axes, frame: pd.DataFrame, x: str, y: str, label: str, index: int) -> None:
    """Draw a curve through the rows that have both numbers, in the style of its index, with bars for known bounds."""
    rows = frame.dropna(subset=[x, y])
    if x not in METRICS:
        rows = rows.sort_values(x, kind="stable")
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    bars: dict[str, Any] = {"colors": color, "alpha": 0.4, "linewidths": 0.9, "zorder": 1.5}
    if {f"{y}_low", f"{y}_high"} <= set(rows.columns):
        side = (index + 1) // 2 * (-1) ** index
        # The bars of curves at one place stand 1.6 points apart.
        beside = ScaledTranslation(1.6 * side / 72, 0, axes.figure.dpi_scale_trans)
        axes.vlines(rows[x], rows[f"{y}_low"], rows[f"{y}_high"], transform=axes.transData + beside, **bars)
        # Matplotlib leaves shifted bars out of the axes' range, which would cut them off.
        for end in ("low", "high"):
            axes.update_datalim(np.column_stack([rows[x], rows[f"{y}_{end}"]]))
    if {f"{x}_low", f"{x}_high"} <= set(rows.columns):
        axes.hlines(rows[y], rows[f"{x}_low"], rows[f"{x}_high"], **bars)
    # Dashes show a curve that lies under another one.
    axes.plot(rows[x], rows[y], color=color, marker=marker, label=label, linestyle=LINES[index % len(LINES)])


def _legend_above(figure: Figure, axes: Axes, columns: int = 3) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)))


def _is_wide(values: Sequence[float], least: float = 4) -> bool:
    """Tell whether values differ so widely that an axis is logarithmic."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= least


def _logarithmic(axes: Axes, name: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with ticks at 1, 2 and 5 of each decade."""
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def _label_points(axes: Axes, frames: Iterable[pd.DataFrame], x: str, y: str) -> None:
    """Write `value` beside the end points of each curve, and beside other points if there is room."""
    curves = [frame.dropna(subset=[x, y, "value"]) for frame in frames]
    point = axes.figure.dpi / 72
    places = [axes.transData.transform(rows[[x, y]].to_numpy()) for rows in curves]
    points = np.concatenate(places)
    taken = [_box(at, (0, 0), (5 * point, 5 * point)) for at in points]
    lines = [_box(at, (0, 0), (point, point)) for corners in places for at in _along(corners, 3 * point)]
    # The ends of all curves first, then every other point of each, then the rest.
    ends = [(index, row) for index, rows in enumerate(curves) for row in sorted({0, len(rows) - 1}) if len(rows)]
    inner = [
        (index, row)
        for index, rows in enumerate(curves)
        for row in (*range(2, len(rows) - 1, 2), *range(1, len(rows) - 1, 2))
    ]
    for index, row in (*ends, *inner):
        end = (index, row) in ends
        at, text = places[index][row], f"{curves[index]['value'].iloc[row]:g}"
        size = ((0.64 * len(text) + 0.2) * LABEL_SIZE * point, LABEL_SIZE * point)
        offsets = (*OFFSETS, *SIDES) if end else OFFSETS
        boxes = [_box(at, (dx * point, dy * point), size) for dx, dy in offsets]
        conflicts = [_conflicts(box, at, points, taken, axes.bbox) for box in boxes]
        best = min(range(len(boxes)), key=lambda i: (conflicts[i], offsets[i] in SIDES, boxes[i].count_overlaps(lines)))
        if not end and conflicts[best]:
            continue
        taken.append(boxes[best])
        dx, dy = offsets[best]
        axes.annotate(
            text,
            (curves[index][x].iloc[row], curves[index][y].iloc[row]),
            textcoords="offset points",
            xytext=(dx, dy),
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            va="bottom" if dy > 0 else "top" if dy < 0 else "center",
            fontsize=LABEL_SIZE,
            color=COLORS[index % len(COLORS)],
            path_effects=[withStroke(linewidth=2.5, foreground="white")],  # readable in front of a curve
        )


def _along(corners: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return points (n, 2) about every `step` along the line through `corners` (m, 2)."""
    if len(corners) < 2:
        return corners
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0, lengths[-1], 2 + int(lengths[-1] / step))
    return np.column_stack([np.interp(at, lengths, corners[:, axis]) for axis in (0, 1)])


def _box(at: Any, offset: tuple[float, float], size: tuple[float, float]) -> Bbox:
    """Return the box of a text at `offset` from a point, on the side away from the point."""
    (dx, dy), (width, height) = offset, size
    left = at[0] + dx - (width if dx < 0 else 0 if dx > 0 else width / 2)
    bottom = at[1] + dy - (height if dy < 0 else 0 if dy > 0 else height / 2)
    return Bbox.from_bounds(left, bottom, width, height)


def _conflicts(box: Bbox, at: Any, points: NDArray[np.float64], taken: list[Bbox], inside: Bbox) -> int:
    """Count the boxes that a label overlaps, and one more if it is nearer to another point than to its own, `at`.

    Leaving the axes counts more than all of them.
    """
    leaves = not (inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1))
    middle = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    is_astray = bool(np.hypot(*(points - middle).T).min() < np.hypot(*(at - middle)))
    return box.count_overlaps(taken) + leaves * (len(taken) + 1) + is_astray
