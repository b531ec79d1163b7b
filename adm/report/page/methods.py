"""The paragraph on methods: from the params file, and of what the page was written with."""

import os
import platform
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError

from adm.artifacts.manifest import library_versions
from adm.config.samplers import SAMPLERS
from adm.machine import processor_name
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.schema import Sections

LIBRARIES = ("matplotlib", "numpy", "pandas", "scikit-learn", "scipy", "tensorflow", "torch")
"""Distributions that the page names with their versions, if they are installed."""


def methods(params: Sections) -> str:
    """Write a paragraph on what was trained, sampled and scored, and with what, to be pasted into a text."""
    return " ".join([_data(params), *_training(params), *_sampling(params), _software()])


def _data(params: Sections) -> str:
    told = []
    for key, dataset in params.datasets.items():
        if dataset.of is None and dataset.image_size:
            facts = [f"{dataset.source}", f"{dataset.image_size}×{dataset.image_size}"]
            facts += [f"{dataset.held_out:.0%} of every class held out"] if dataset.held_out else []
            told.append(f"{key} ({', '.join(facts)})")
    begin = "We re-created the system of Dhariwal & Nichol (2021, arXiv:2105.05233)"
    return f"{begin} on the datasets {_listed(told)}." if told else f"{begin}."


def _training(params: Sections) -> Iterable[str]:
    models = [params.models[key] for key in dict.fromkeys(segment.model for segment in params.segments.values())]
    if models:
        words = {"diffusion": "diffusion model", "classifier": "noisy classifier"}
        counts = Counter(words.get(model.kind, model.kind) for model in models)
        yield (
            f"From scratch we trained {_listed(_plural(count, name) for name, count in counts.items())}, for "
            f"{_range(max(model.checkpoints) for model in models)} iterations with batches of "
            f"{_range(model.training.batch_size for model in models)} images and learning rates of "
            f"{_range(model.training.learning_rate for model in models)}."
        )
    if published := params.published.checkpoints:
        yield f"We took {_plural(len(published), 'published checkpoint')}."
    if params.gans:
        yield f"We trained {_plural(len(params.gans), 'class-conditional GAN')} for comparison."


def _sampling(params: Sections) -> Iterable[str]:
    runs: list[RunParams | UpsampledRunParams] = [*params.runs.values(), *params.upsampled_runs.values()]
    if runs:
        samplers = dict.fromkeys(SAMPLERS[run.sampler].label for run in runs)
        yield (
            f"We sampled {_plural(len(runs), 'batch', 'batches')} of {_range(run.num_samples for run in runs)} images "
            f"with {_listed(samplers)}."
        )
    if scales := [run.gradient_scale for run in runs if isinstance(run, RunParams) and run.gradient_scale]:
        yield f"{len(scales)} of them are guided by a classifier, at gradient scales of {_range(scales)}."
    if params.references:
        images = _range(reference.num_images for reference in params.references.values())
        yield f"Samples are scored against references of {images} images."
    if params.extractors:
        yield "Features come from a small classifier that stands in for the Inception network."
    if params.scored:
        yield (
            "Intervals of a run are of 95 %, from a jackknife that leaves out parts of its samples: they cover the "
            "draw of the samples, not that of a training run."
        )


def _software() -> str:
    found: dict[str, str] = {"adm": "unknown"}
    for library in ("adm", *LIBRARIES):
        with suppress(PackageNotFoundError):
            found |= library_versions([library])
    told = _listed(f"{name} {version}" for name, version in found.items() if name != "adm")
    machine = f"{processor_name()}, {os.cpu_count()} cores, {platform.system()}"
    return f"Software: adm {found['adm']} with {told}, on {machine}."


def _range(numbers: Iterable[float]) -> str:
    found = sorted(set(numbers))
    ends = found if len(found) < 3 else [found[0], found[-1]]
    return f" {'to' if len(found) > 2 else 'and'} ".join(f"{number:g}" for number in ends)


def _plural(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
