"""The figures of the appendix by kind: from the section and the artifacts of a scale to what is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adm.data.shards import ImageShards
from adm.params.errors import UserError
from adm.params.file import Params
from adm.params.gans import GanRunParams
from adm.params.report import PanelParams
from adm.params.runs import RunParams
from adm.report import curves, grids
from adm.report.beside import describe
from adm.report.figures import placeholder
from adm.report.metrics import read_intervals, read_metrics, read_training_hours
from adm.sampling.batch import read_batch
from adm.sampling.studies import read_interpolation, read_likelihood, read_neighbours, read_variation


@dataclass(frozen=True)
class Sources:
    """Folders of artifacts by their kind; None where a figure needs none of it."""

    metrics: Path | None = None
    samples: Path | None = None
    data: Path | None = None
    training: Path | None = None
    studies: Path | None = None

    def at(self, kind: str, key: str) -> Path:
        """The artifact of a key.

        Raises:
            UserError: Its folder was not given.
        """
        folder: Path | None = getattr(self, kind)
        if folder is None:
            raise UserError(f"--{kind}: is missing; this figure needs it")
        return folder / key


def draw(params: Params, figure: str, sources: Sources) -> Figure:
    """Draw a figure.

    Args:
        params: The params file.
        figure: Its name, as "figure_6".
        sources: Where the artifacts are that `adm.params.needs.needs_of_figure` names.
    """
    return _DRAWN[params.figures.kind_of(figure)](params, params.figure(figure), sources)


def remark(params: Params, figure: str, sources: Sources) -> str:
    """What a caption adds about this scale; "" where the figure itself tells."""
    shown = params.figure(figure)
    match params.figures.kind_of(figure):
        case "class_grids" | "random_grids":
            run = params.scored[shown.run]
            guided = isinstance(run, RunParams) and run.gradient_scale
            return f"Here: {describe(params, shown.run)}{f', gradient scale {guided:g}' if guided else ''}."
        case "interpolations":
            study = read_interpolation(sources.at("studies", shown.study))
            all_but_last, every = study.error_all_but_last.mean(), study.error_all.mean()
            return (
                f"Here: gradient scale {params.interpolations[shown.study].gradient_scale:g}; mean squared error of "
                f"{len(study.error_all)} reconstructions {all_but_last:.2g} over all steps but the last, {every:.2g} "
                "over all."
            )
        case "likelihoods":
            found = {label: _measured(params, study, sources) for label, study in shown.curves.items()}
            alike = len(set(found.values())) == 1
            return f"Here: {'; '.join(dict.fromkeys(w if alike else f'{label}, {w}' for label, w in found.items()))}."
    return ""


def _measured(params: Params, study: str, sources: Sources) -> str:
    found = read_likelihood(sources.at("studies", study))
    dataset = params.likelihoods[study].dataset
    return f"{len(found.bits)} images of {dataset} at {len(found.timesteps)} timesteps"


def _ablations(params: Params, shown: Any, sources: Sources) -> Figure:
    panels: dict[str, dict[str, Any]] = {}
    for title, panel in shown.panels.items():
        panels[title] = {}
        for label, runs in panel.items():
            frame = read_metrics(sources.at("metrics", ""), runs)
            frame = frame.join(read_intervals(sources.at("metrics", ""), runs))
            chains = [params.chain(params.checkpoint_of(run)) for run in runs]
            frame["hours"] = [read_training_hours(sources.at("training", ""), chain) for chain in chains]
            panels[title][label] = frame
    return curves.ablation_curves(panels)


def _trade_offs(params: Params, shown: Any, sources: Sources) -> Figure:
    frames, parameter = {}, {}
    for label, runs in shown.curves.items():
        sections = [params.scored[run] for run in runs]
        of_gan = isinstance(sections[0], GanRunParams)
        parameter[label] = "truncation" if of_gan else "gradient scale"
        frames[label] = read_metrics(sources.at("metrics", ""), runs)
        frames[label]["value"] = [getattr(s, "truncation" if of_gan else "gradient_scale", np.nan) for s in sections]
    return curves.trade_off(frames, parameter)


def _temperatures(params: Params, shown: Any, sources: Sources) -> Figure:
    frames = {}
    for label, runs in shown.curves.items():
        sections = [params.runs[run] for run in runs]
        frames[label] = read_metrics(sources.at("metrics", ""), runs)
        frames[label] = frames[label].join(read_intervals(sources.at("metrics", ""), runs))
        frames[label]["value"] = [min(s.noise_temperature, s.epsilon_temperature) for s in sections]
    return curves.temperature(frames)


def _neighbours(params: Params, shown: Any, sources: Sources) -> Figure:
    blocks = {}
    for title, study in shown.blocks.items():
        pair = params.neighbours[study]
        nearest = read_neighbours(sources.at("studies", study)).indices[: shown.columns]
        samples = read_batch(sources.at("samples", pair.run))[0][: len(nearest)]
        real = ImageShards(sources.at("data", pair.dataset))
        blocks[title] = samples, real[nearest.ravel()].reshape(*nearest.shape, *samples.shape[1:])
    return grids.neighbour_grid(blocks)


def _variations(params: Params, shown: Any, sources: Sources) -> Figure:
    study = read_variation(sources.at("studies", shown.study))
    return grids.scale_grid(study.images, study.scales.tolist(), [str(label) for label in study.labels])


def _interpolations(params: Params, shown: Any, sources: Sources) -> Figure:
    study = read_interpolation(sources.at("studies", shown.study))
    return grids.interpolation_grid(study.originals, study.images)


def _likelihoods(params: Params, shown: Any, sources: Sources) -> Figure:
    return curves.likelihood(
        {label: read_likelihood(sources.at("studies", study)) for label, study in shown.curves.items()}
    )


def _comparisons(params: Params, shown: Any, sources: Sources) -> Figure:
    count = shown.columns * shown.lines
    rows = {
        title: {name: _panel(panel, count, sources) for name, panel in row.items()} for title, row in shown.rows.items()
    }
    return grids.comparison(rows, shown.columns)


def _panel(panel: PanelParams, count: int, sources: Sources) -> NDArray[np.uint8]:
    if panel.run is not None:
        return read_batch(sources.at("samples", panel.run))[0][:count]
    assert panel.dataset is not None
    images = ImageShards(sources.at("data", panel.dataset))
    # Datasets often lie class by class; a comparison shows what is typical.
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:count])]


def _class_grids(params: Params, shown: Any, sources: Sources) -> Figure:
    images, labels = read_batch(sources.at("samples", shown.run))
    return grids.class_grid(images, labels, shown.classes, shown.columns, shown.names)


def _random_grids(params: Params, shown: Any, sources: Sources) -> Figure:
    images, _ = read_batch(sources.at("samples", shown.run))
    return grids.random_grid(images, shown.rows, shown.columns)


def _absent(params: Params, shown: Any, sources: Sources) -> Figure:
    return placeholder(shown.reason)


_DRAWN: dict[str, Callable[[Params, Any, Sources], Figure]] = {
    "ablations": _ablations,
    "trade_offs": _trade_offs,
    "temperatures": _temperatures,
    "neighbours": _neighbours,
    "variations": _variations,
    "interpolations": _interpolations,
    "likelihoods": _likelihoods,
    "comparisons": _comparisons,
    "diversities": _comparisons,
    "class_grids": _class_grids,
    "random_grids": _random_grids,
    "absent": _absent,
}
