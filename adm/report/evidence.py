"""The measurements that claims are tested on, read from the artifacts of other stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import require_params
from adm.artifacts.seal import read_sealed_json
from adm.config.base import Config
from adm.errors import UserError
from adm.metrics.jackknife import Jackknife
from adm.params.claims import AnyClaim, BeatsEarlyClaim
from adm.params.configurations import told_apart_by_schedules
from adm.params.gans import GanRunParams
from adm.params.judges import parts
from adm.params.needs import members_of, needs_of
from adm.params.references import keys_in, keys_read
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.schema import Sections
from adm.params.studies import InterpolationParams, NeighboursParams
from adm.report.metrics import Inputs, read_score, read_sizes, require_numbers, visited_timesteps
from adm.sampling import studies


@dataclass(frozen=True)
class Score:
    """A run's metrics, the jackknife of those with intervals, and the samples behind them.

    Sample i of runs with the same `seed` has the same noise and class; a published run has None.
    """

    metrics: Mapping[str, float | None]
    jackknife: Mapping[str, Jackknife]
    num_samples: int
    seed: int | None = None


@dataclass(frozen=True)
class Neighbours:
    """Distances (M,) of samples to their nearest images, which samples are copies (M,), and images' distances (N,)."""

    nearest: NDArray[np.float64]
    copies: NDArray[np.bool_]
    dataset: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """The measurements of a scale, by the keys of the params file.

    `errors` are (N, 2): the error of each image with all reverse steps but the last, and with all. `throughputs` are
    images per second of the naive and of the optimised implementation, one number for each repetition. `costs` are
    FLOPs of training. `scores` of a run by a judge have the key `RUN@JUDGE`. `groups` are the runs of each group over
    seeds of training, and `trained` what each of these runs is sampled from: a model or a GAN. `alike` are pairs of
    runs that a found schedule was to tell apart, but they visit the same timesteps.
    """

    scores: Mapping[str, Score] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trained: Mapping[str, str] = field(default_factory=dict)
    iterations: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    neighbours: Mapping[str, Neighbours] = field(default_factory=dict)
    throughputs: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    alike: Sequence[tuple[str, str]] = ()


def read_evidence(params: Sections, claims: Sequence[AnyClaim], inputs: Inputs) -> Evidence:
    """Read what claims are tested on.

    Args:
        params: The params file, whose sections the evidence must have been made with.
        claims: Of the params file.
        inputs: The artifacts that `adm.params.needs.needs_of` names.

    Raises:
        UserError: An artifact that a claim needs is missing, malformed or made with another section.
    """
    needs = needs_of(params, *claims)
    groups = {key: params.groups[key] for one in claims for key in keys_read(one, "metrics") if key in params.groups}
    models = keys_in(model for claim in claims for model in keys_read(claim, "sizes"))
    flops = read_sizes(params, models, "forward_flops", inputs)
    images = images_seen(params)
    errors, neighbours = {}, {}
    for key in needs.studies:
        path = inputs["studies"][key]
        if key in params.interpolations:
            errors[key] = _errors(path, params.interpolations[key])
        else:
            neighbours[key] = _neighbours(path, params.neighbours[key])
    return Evidence(
        scores={
            **{key: _score(inputs["metrics"][key], key, params.scored[key]) for key in needs.metrics},
            **{key: _judged(params, key, inputs["judged"][key]) for key in needs.judged},
        },
        groups=groups,
        trained={run: _trained(params, run) for run in members_of(params, groups)},
        iterations=_iterations(params, claims),
        errors=errors,
        neighbours=neighbours,
        throughputs={
            key: _rates(inputs["throughput"][key], params.sections_of_throughput(key)) for key in needs.throughput
        },
        costs={model: float(images[model] * count) for model, count in flops.items()},
        alike=_alike(params, claims, inputs),
    )


def _alike(params: Sections, claims: Sequence[AnyClaim], inputs: Inputs) -> list[tuple[str, str]]:
    pairs = [pair for claim in claims for pair in told_apart_by_schedules(params, claim)]
    return [(a, b) for a, b in pairs if visited_timesteps(params, a, inputs) == visited_timesteps(params, b, inputs)]


def images_seen(params: Sections) -> dict[str, int]:
    """The number of images in the whole training of each model, with repetition: iterations times batch size."""
    images: dict[str, int] = {}
    for checkpoint in (*params.segments, *params.published.checkpoints):
        name = params.model_of(checkpoint)
        batch = params.models[name].training.batch_size
        images[name] = max(params.iteration_of(checkpoint) * batch, images.get(name, 0))
    return images


def _trained(params: Sections, run: str) -> str:
    """The model or GAN that a run is sampled from; of a published run, which tells neither, the run itself."""
    match params.scored[run]:
        case RunParams() | UpsampledRunParams() as sampled:
            return params.model_of(sampled.checkpoint)
        case GanRunParams() as sampled:
            return sampled.gan
    return run


def _iterations(params: Sections, claims: Sequence[AnyClaim]) -> dict[str, int]:
    """The iteration of the checkpoint of runs or groups, of claims on the course of training."""
    runs = [run for claim in claims if isinstance(claim, BeatsEarlyClaim) for run in claim.runs]
    return {run: params.iteration_of(params.checkpoint_of(run)) for run in runs}


def _judged(params: Sections, key: str, path: Path) -> Score:
    run, judge = parts(key)
    return _score(path, run, params.scored[run], params.graphs[judge])


def _score(path: Path, run: str, section: Config, extractor: Config | None = None) -> Score:
    content = read_score(path, run, section, extractor)
    return Score(content["metrics"], content["jackknife"], content["num_samples"], getattr(section, "seed", None))


def _errors(folder: Path, section: InterpolationParams) -> NDArray[np.float64]:
    study = studies.read_study(studies.Interpolation, folder, interpolation=section)
    return np.stack([study.error_all_but_last, study.error_all], axis=1)


def _neighbours(folder: Path, section: NeighboursParams) -> Neighbours:
    study = studies.read_study(studies.Neighbours, folder, neighbours=section)
    if not study.distances.size:
        raise UserError(f"{folder}: distances has shape {study.distances.shape}, without a sample or a neighbour")
    return Neighbours(study.distances.min(axis=1), study.pixel_copies, study.dataset_distances)


def _rates(path: Path, sections: Mapping[str, Config]) -> tuple[list[float], list[float]]:
    """Images per second of the naive and of the optimised implementation."""
    content = read_sealed_json(path)
    found = []
    for implementation in ("naive", "optimised"):
        measured = content.get(implementation)
        rates = measured.get("images_per_second") if isinstance(measured, dict) else None
        require_numbers(f"{path}: {implementation}.images_per_second", rates)
        found.append([float(rate) for rate in rates or []])
    require_params(path, content.get("made_by"), sections)
    return found[0], found[1]
