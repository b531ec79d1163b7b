"""The figures of the appendix by kind: from the section and the artifacts of a scale to what is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adm.artifacts.manifest import read_made_by, require_params, require_section
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
from adm.sampling.batch import SAMPLERS, Images, Labels, read_batch
from adm.sampling.studies import Interpolation, Likelihood, Neighbours, Variation, read_study

if TYPE_CHECKING:
    import pandas as pd


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
            study = read_study(
                Interpolation, sources.at("studies", shown.study), interpolation=params.interpolations[shown.study]
            )
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
    section = params.likelihoods[study]
    found = read_study(Likelihood, sources.at("studies", study), likelihood=section)
    return f"{len(found.bits)} images of {section.dataset} at {len(found.timesteps)} timesteps"


def _metrics_of(params: Params, runs: Sequence[str], sources: Sources) -> "pd.DataFrame":
    return read_metrics(sources.at("metrics", ""), runs, params.scored)


def _intervals_of(params: Params, runs: Sequence[str], sources: Sources) -> "pd.DataFrame":
    return read_intervals(sources.at("metrics", ""), runs, params.scored)


def _samples_of(params: Params, run: str, sources: Sources) -> tuple[Images, Labels]:
    folder = sources.at("samples", run)
    require_section(folder, params.scored[run], *SAMPLERS)
    return read_batch(folder)


def _images_of(params: Params, dataset: str, sources: Sources) -> ImageShards:
    folder = sources.at("data", dataset)
    made_by = read_made_by(folder, "prepare")
    require_params(folder, made_by.model_dump(), {"dataset": params.datasets[dataset]})
    return ImageShards(folder)


def _ablations(params: Params, shown: Any, sources: Sources) -> Figure:
    panels: dict[str, dict[str, Any]] = {}
    for title, panel in shown.panels.items():
        panels[title] = {}
        for label, runs in panel.items():
            frame = _metrics_of(params, runs, sources).join(_intervals_of(params, runs, sources))
            chains = [params.chain(params.checkpoint_of(run)) for run in runs]
            sections = [{segment: params.sections_of_segment(segment) for segment in chain} for chain in chains]
            frame["hours"] = [read_training_hours(sources.at("training", ""), segments) for segments in sections]
            panels[title][label] = frame
    return curves.ablation_curves(panels)


def _trade_offs(params: Params, shown: Any, sources: Sources) -> Figure:
    frames, parameter = {}, {}
    for label, runs in shown.curves.items():
        sections = [params.scored[run] for run in runs]
        of_gan = isinstance(sections[0], GanRunParams)
        parameter[label] = "truncation" if of_gan else "gradient scale"
        frames[label] = _metrics_of(params, runs, sources)
        frames[label]["value"] = [getattr(s, "truncation" if of_gan else "gradient_scale", np.nan) for s in sections]
    return curves.trade_off(frames, parameter)


def _temperatures(params: Params, shown: Any, sources: Sources) -> Figure:
    frames = {}
    for label, runs in shown.curves.items():
        sections = [params.runs[run] for run in runs]
        frames[label] = _metrics_of(params, runs, sources).join(_intervals_of(params, runs, sources))
        frames[label]["value"] = [min(s.noise_temperature, s.epsilon_temperature) for s in sections]
    return curves.temperature(frames)


def _neighbours(params: Params, shown: Any, sources: Sources) -> Figure:
    blocks = {}
    for title, study in shown.blocks.items():
        pair = params.neighbours[study]
        nearest = read_study(Neighbours, sources.at("studies", study), neighbours=pair).indices[: shown.columns]
        samples = _samples_of(params, pair.run, sources)[0][: len(nearest)]
        real = _images_of(params, pair.dataset, sources)
        blocks[title] = samples, real[nearest.ravel()].reshape(*nearest.shape, *samples.shape[1:])
    return grids.neighbour_grid(blocks)


def _variations(params: Params, shown: Any, sources: Sources) -> Figure:
    section = params.variations[shown.study]
    study = read_study(Variation, sources.at("studies", shown.study), variation=section, run=params.runs[section.run])
    return grids.scale_grid(study.images, study.scales.tolist(), [str(label) for label in study.labels])


def _interpolations(params: Params, shown: Any, sources: Sources) -> Figure:
    study = read_study(
        Interpolation, sources.at("studies", shown.study), interpolation=params.interpolations[shown.study]
    )
    return grids.interpolation_grid(study.originals, study.images)


def _likelihoods(params: Params, shown: Any, sources: Sources) -> Figure:
    return curves.likelihood(
        {
            label: read_study(Likelihood, sources.at("studies", study), likelihood=params.likelihoods[study])
            for label, study in shown.curves.items()
        }
    )


def _comparisons(params: Params, shown: Any, sources: Sources) -> Figure:
    count = shown.columns * shown.lines
    rows = {
        title: {name: _panel(params, panel, count, sources) for name, panel in row.items()}
        for title, row in shown.rows.items()
    }
    return grids.comparison(rows, shown.columns)


def _panel(params: Params, panel: PanelParams, count: int, sources: Sources) -> NDArray[np.uint8]:
    if panel.run is not None:
        return _samples_of(params, panel.run, sources)[0][:count]
    assert panel.dataset is not None
    images = _images_of(params, panel.dataset, sources)
    # Datasets often lie class by class; a comparison shows what is typical.
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:count])]


def _class_grids(params: Params, shown: Any, sources: Sources) -> Figure:
    images, labels = _samples_of(params, shown.run, sources)
    return grids.class_grid(images, labels, shown.classes, shown.columns, shown.names)


def _random_grids(params: Params, shown: Any, sources: Sources) -> Figure:
    images, _ = _samples_of(params, shown.run, sources)
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
