"""Figures by kind: each is drawn from its section and from the artifacts of a scale."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adm.artifacts.class_names import kept_names
from adm.config.metrics import METRICS
from adm.data.shards import ImageShards
from adm.params import figures
from adm.params.needs import neighbours_dataset
from adm.params.references import keys_read
from adm.params.runs import GanRunParams, RunParams
from adm.params.schema import ScoredSection, Sections
from adm.report import curves, grids
from adm.report.lottery import read_lottery
from adm.report.metrics import Inputs, read_metrics, read_training_seconds, training_flops
from adm.report.run_tables import describe
from adm.sampling.batch import read_batch
from adm.sampling.studies import Interpolation, Likelihood, Neighbours, read_study

AXES = {
    "temperature": "Temperature",
    "iterations": "Training iterations",
    "gradient_scale": "Gradient scale",
    "noise_temperature": "Temperature of the noise",
    "epsilon_temperature": "Temperature of epsilon",
    "eta": "η",
    "truncation": "Truncation",
    "num_samples": "Samples",
    "ema_length": r"EMA length ($\sigma_\mathrm{rel}$)",
}
"""Labels of the x axis of curves, by axis."""


class Drawn(NamedTuple):
    """A figure, and what its caption adds about this scale; "" if the figure itself shows it."""

    figure: Figure
    remark: str = ""


def _of_bars(
    params: Sections, figure: figures.AnyFigureParams, frames: Iterable[pd.DataFrame], beside: Sequence[str] = ()
) -> str:
    """Say what the bars of a figure are; "" without any. Those `beside` are of metrics that images spread, too."""
    read, groups = {*keys_read(figure, "metrics")}, {*params.groups}
    if not read & groups:
        has_bars = any(str(column).endswith("_low") for frame in frames for column in frame)
        more = f"; those of {' and '.join(METRICS[name].label for name in beside)} are over the images, too"
        return f"Bars are 95 % intervals over draws of the samples{more if beside else ''}." if has_bars else ""
    alone = "" if read <= groups else ", and single trainings, with bars over draws of their samples"
    return f"Here: means over seeds of training, with bars over their 95 % t-intervals{alone}."


def _images_of(params: Sections, dataset: str, inputs: Inputs) -> ImageShards:
    return ImageShards(inputs["data"][dataset], params.datasets[dataset].side)


def _ablations(params: Sections, figure: figures.AblationsParams, inputs: Inputs) -> Drawn:
    panels: dict[str, dict[str, Any]] = {}
    for title, panel in figure.panels.items():
        panels[title] = {}
        for label, runs in panel.items():
            frame = read_metrics(params, runs, ["fid"], inputs)
            frame[figure.x] = [_abscissa(params, run, figure.x, inputs) for run in runs]
            panels[title][label] = frame
    frames = (frame for panel in panels.values() for frame in panel.values())
    return Drawn(curves.ablation_curves(panels, figure.x), _of_bars(params, figure, frames))


def _trade_offs(params: Sections, figure: figures.TradeOffsParams, inputs: Inputs) -> Drawn:
    names = list(dict.fromkeys(name for pair in figure.panels for name in pair))
    frames = {}
    for label, runs in figure.curves.items():
        parameter, values = _varied([params.section_of(run) for run in runs])
        frame = read_metrics(params, runs, names, inputs)
        if not any(run in params.groups for run in runs):  # bars are of seeds of training
            frame = frame[names]
        frames[f"{label} ({parameter})"] = frame.assign(value=values)
    return Drawn(curves.trade_off(frames, figure.panels), _of_bars(params, figure, frames.values()))


def _varied(sections: Sequence[ScoredSection]) -> tuple[str, list[float]]:
    """Tell what varies along a trade-off, and its value for each run; without a second denoiser its scale is 1."""
    if isinstance(sections[0], GanRunParams):
        return "truncation", [getattr(section, "truncation", np.nan) for section in sections]
    scales = [section.denoiser_scale if isinstance(section, RunParams) else None for section in sections]
    if any(scale is not None for scale in scales):
        return "guidance scale", [1.0 if scale is None else scale for scale in scales]
    return "gradient scale", [getattr(section, "gradient_scale", np.nan) for section in sections]


def _curves(params: Sections, figure: figures.CurvesParams, inputs: Inputs) -> Drawn:
    frames = {}
    for label, runs in figure.curves.items():
        frame = frames[label] = read_metrics(params, runs, figure.y, inputs)
        for name, error in ((name, METRICS[name].error) for name in figure.y if f"{name}_low" not in frame):
            if error is not None and not params.groups.keys() & {*runs}:
                frame[f"{name}_low"], frame[f"{name}_high"] = (frame[name] + k * frame[error] for k in (-1.96, 1.96))
        frame["value"] = [_abscissa(params, run, figure.x, inputs) for run in runs]
    beside = [name for name in figure.y if METRICS[name].error and not METRICS[name].intervals]
    return Drawn(curves.along(frames, figure.y, AXES[figure.x]), _of_bars(params, figure, frames.values(), beside))


def _abscissa(params: Sections, run: str, axis: str, inputs: Inputs) -> float:
    """Place a run on an axis: by what an image takes, by what its checkpoint took to train, or by a field."""
    section: Any = params.section_of(run)
    if axis == "evaluations":
        return params.evaluations_of(run).denoiser
    if axis == "flops":
        return sum(training_flops(params, [params.checkpoint_of(run)], inputs).values())
    if axis == "seconds":
        return read_training_seconds(params, params.checkpoint_of(run), inputs)
    if axis == "iterations":
        return params.iteration_of(params.checkpoint_of(run))
    if axis == "temperature":  # one of the two is 1
        return float(section.noise_temperature * section.epsilon_temperature)
    return float(getattr(section, axis))


def _neighbours(params: Sections, figure: figures.NeighboursFigureParams, inputs: Inputs) -> Drawn:
    blocks = {}
    for title, study in figure.blocks.items():
        pair = params.neighbours[study]
        nearest = read_study(Neighbours, inputs["studies"][study]).indices[: figure.columns]
        samples = read_batch(inputs["samples"][pair.run]).images[: len(nearest)]
        real = _images_of(params, neighbours_dataset(params, study), inputs)
        blocks[title] = samples, real[nearest.ravel()].reshape(*nearest.shape, *samples.shape[1:])
    return Drawn(grids.neighbour_grid(blocks))


def _interpolations(params: Sections, figure: figures.InterpolationFigureParams, inputs: Inputs) -> Drawn:
    section = params.interpolations[figure.study]
    study = read_study(Interpolation, inputs["studies"][figure.study])
    return Drawn(
        grids.interpolation_grid(study.originals, study.images),
        f"Here: gradient scale {section.gradient_scale:g}; mean squared error of {len(study.error_all)} "
        f"reconstructions {study.error_all_but_last.mean():.2g} if encoded over all steps but the last, "
        f"{study.error_all.mean():.2g} over all; {study.error_skipped.mean():.2g} if decoding skips it, too.",
    )


def _likelihoods(params: Sections, figure: figures.LikelihoodsFigureParams, inputs: Inputs) -> Drawn:
    studies, sizes = {}, {}
    for label, key in figure.curves.items():
        section = params.likelihoods[key]
        study = studies[label] = read_study(Likelihood, inputs["studies"][key])
        sizes[label] = f"{len(study.bits)} images of {section.dataset} at {len(study.timesteps)} timesteps"
    alike = len(set(sizes.values())) == 1
    told = dict.fromkeys(size if alike else f"{label}, {size}" for label, size in sizes.items())
    return Drawn(curves.likelihood(studies), f"Here: {'; '.join(told)}.")


def _lottery(params: Sections, figure: figures.LotteryFigureParams, inputs: Inputs) -> Drawn:
    drawn = read_lottery(params, figure.runs, figure.metric, inputs)
    ratio = drawn.ratio
    return Drawn(
        curves.lottery(drawn, METRICS[figure.metric].label),
        f"Here: {len(drawn.levels)} trainings, each sampled {drawn.values.shape[1]} times with {drawn.num_samples} "
        f"samples; retraining spreads {ratio.estimate:.3g} times as far as drawing samples again (95 %: "
        f"{ratio.low:.3g} to {ratio.high:.3g}).",
    )


def _comparisons(params: Sections, figure: figures.ComparisonParams, inputs: Inputs) -> Drawn:
    count = figure.columns * figure.lines
    rows = {
        title: {name: _panel(params, panel, count, inputs) for name, panel in row.items()}
        for title, row in figure.rows.items()
    }
    return Drawn(grids.comparison(rows, figure.columns))


def _panel(params: Sections, panel: figures.PanelParams, count: int, inputs: Inputs) -> NDArray[np.uint8]:
    if panel.run is not None:
        return read_batch(inputs["samples"][panel.run]).images[:count]
    assert panel.dataset is not None
    images = _images_of(params, panel.dataset, inputs)
    # A random choice: datasets are often sorted by class, and a comparison should show typical images.
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:count])]


def _grids(params: Sections, figure: figures.ClassGridParams | figures.RandomGridParams, inputs: Inputs) -> Drawn:
    images, labels = read_batch(inputs["samples"][figure.run])
    remark = f"Here: {describe(params, figure.run)}."
    if isinstance(figure, figures.RandomGridParams):
        return Drawn(grids.random_grid(images, figure.rows, figure.columns), remark)
    kept = kept_names(inputs["samples"][figure.run])
    names = figure.names or (kept and [kept[number] for number in figure.classes])
    return Drawn(grids.class_grid(images, labels, figure.classes, figure.columns, names), remark)


ARTISTS: dict[str, Callable[[Sections, Any, Inputs], Drawn]] = {
    "ablations": _ablations,
    "trade_offs": _trade_offs,
    "curves": _curves,
    "neighbours": _neighbours,
    "interpolation": _interpolations,
    "likelihoods": _likelihoods,
    "lottery": _lottery,
    "comparison": _comparisons,
    "class_grid": _grids,
    "random_grid": _grids,
}
"""The function that draws each kind of figure, from the sections that it rests on, its own, and its artifacts.

It raises a UserError if an artifact is missing or damaged, and a ValueError if artifacts do not fit together.
"""
