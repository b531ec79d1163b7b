"""What a scale measured that its claims are tested on, read from the artifacts of other stages."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import require_params
from adm.artifacts.seal import read_sealed_json
from adm.params.claims import Claim, interpolations_of, models_of, neighbours_of, runs_of, throughputs_of
from adm.params.errors import UserError
from adm.params.file import Params
from adm.params.section import Section
from adm.params.studies import InterpolationParams, NeighboursParams
from adm.sampling import studies


@dataclass(frozen=True)
class Score:
    """A run's metrics, their bootstrap replicates, and the number of samples that they are of."""

    metrics: Mapping[str, float]
    bootstrap: Mapping[str, Sequence[float]]
    num_samples: int


@dataclass(frozen=True)
class Neighbours:
    """Of M samples the distance (M,) to the nearest image and whether it is a copy (M,); of N images the same (N,)."""

    nearest: NDArray[np.float64]
    copies: NDArray[np.bool_]
    dataset: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What a scale measured, by the keys of the params file.

    `errors` are (N, 2): the error of each image from all reverse steps but the last, and from all. `throughputs` are
    images a second of the naive and of the optimised implementation, repeated. `costs` are FLOPs of training.
    """

    scores: Mapping[str, Score] = field(default_factory=dict)
    iterations: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    neighbours: Mapping[str, Neighbours] = field(default_factory=dict)
    throughputs: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)


def read_evidence(
    params: Params,
    claims: Sequence[Claim],
    iterations: Mapping[str, int],
    images: Mapping[str, int],
    metrics: Path,
    interpolations: Path,
    neighbours: Path,
    throughput: Path,
    sizes: Path,
) -> tuple[Evidence, list[Path]]:
    """Read what claims need and nothing else, so that a folder that none needs may be missing.

    Args:
        params: The params file, whose sections the evidence must have been made with.
        claims: In any order.
        iterations: The iteration that a run's checkpoint was taken at, for claims on the course of training.
        images: The images that a model's whole training sees, with repetition: iterations times batch size.
        metrics: Folder of `<run>.json`.
        interpolations: Folder of a folder for each interpolation.
        neighbours: Folder of a folder for each study of neighbours.
        throughput: Folder of `<key>.json`.
        sizes: The file of the models' sizes.

    Returns:
        The evidence, and the files and folders that it is from.

    Raises:
        UserError: Something that a claim needs is missing, malformed or made with another section.
    """
    runs = {key: metrics / f"{key}.json" for key in _once(map(runs_of, claims))}
    errors = {key: interpolations / key for key in _once(map(interpolations_of, claims))}
    nearest = {key: neighbours / key for key in _once(map(neighbours_of, claims))}
    rates = {key: throughput / f"{key}.json" for key in _once(map(throughputs_of, claims))}
    models = _once(map(models_of, claims))
    evidence = Evidence(
        scores={key: _score(path, params.scored[key]) for key, path in runs.items()},
        iterations=iterations,
        errors={key: _errors(path, params.interpolations[key]) for key, path in errors.items()},
        neighbours={key: _neighbours(path, params.neighbours[key]) for key, path in nearest.items()},
        throughputs={key: _rates(path, params.sections_of_throughput(key)) for key, path in rates.items()},
        costs={model: _images(images, model) * _forward_flops(sizes, model, params.models[model]) for model in models},
    )
    sources = [*runs.values(), *errors.values(), *nearest.values(), *rates.values(), *([sizes] if models else [])]
    return evidence, sources


def _once(keys: Iterable[list[str]]) -> list[str]:
    return list(dict.fromkeys(key for some in keys for key in some))


def _score(path: Path, section: Section) -> Score:
    content = read_sealed_json(path)
    metrics, bootstrap, count = (content.get(name) for name in ("metrics", "bootstrap", "num_samples"))
    if not isinstance(metrics, dict) or not isinstance(bootstrap, dict) or not isinstance(count, int):
        raise UserError(f"{path}: holds no scored run; it needs metrics, bootstrap and num_samples")
    for name, value in metrics.items():
        _check_numbers(f"{path}: metrics.{name}", [value])
    for name, replicates in bootstrap.items():
        _check_numbers(f"{path}: bootstrap.{name}", replicates)
    require_params(path, content.get("made_by"), {"run": section})
    return Score(metrics, bootstrap, count)


def _errors(folder: Path, section: InterpolationParams) -> NDArray[np.float64]:
    study = studies.read_study(studies.Interpolation, folder, interpolation=section)
    if len(study.error_all_but_last) != len(study.error_all):
        raise UserError(f"{folder}: error_all_but_last and error_all are of unequal numbers of images")
    return np.stack([study.error_all_but_last, study.error_all], axis=1)


def _neighbours(folder: Path, section: NeighboursParams) -> Neighbours:
    study = studies.read_study(studies.Neighbours, folder, neighbours=section)
    if not study.distances.size:
        raise UserError(f"{folder}: distances has shape {study.distances.shape}, without a sample or a neighbour")
    return Neighbours(study.distances.min(axis=1), study.pixel_copies, study.dataset_distances)


def _rates(path: Path, sections: Mapping[str, Section]) -> tuple[list[float], list[float]]:
    """Images a second of the naive and of the optimised implementation."""
    content = read_sealed_json(path)
    found = []
    for implementation in ("naive", "optimised"):
        measured = content.get(implementation)
        rates = measured.get("images_per_second") if isinstance(measured, dict) else None
        _check_numbers(f"{path}: {implementation}.images_per_second", rates)
        found.append([float(rate) for rate in rates or []])
    require_params(path, content.get("made_by"), sections)
    return found[0], found[1]


def _forward_flops(path: Path, model: str, section: Section) -> float:
    content = read_sealed_json(path)
    models = content.get("models")
    size = models.get(model) if isinstance(models, dict) else None
    flops = size.get("forward_flops") if isinstance(size, dict) else None
    _check_numbers(f"{path}: models.{model}.forward_flops", [flops])
    require_params(path, content.get("made_by"), {model: section})
    return float(flops or 0)


def _images(images: Mapping[str, int], model: str) -> int:
    if model not in images:
        raise UserError(f"models.{model}: is not trained, so its training has no cost; {', '.join(images)} are")
    return images[model]


def _check_numbers(place: str, numbers: Any) -> None:
    if not isinstance(numbers, list) or not numbers:
        raise UserError(
            f"{place}: {'is missing' if numbers is None else 'holds no numbers'}; a list of numbers is needed"
        )
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise UserError(f"{place}: {number!r} is not accepted; it needs a finite number")
