"""The bytes of every artifact, by the class that its folder is of, without the few kilobytes of headers and json."""

from collections.abc import Callable
from dataclasses import dataclass

from adm.nets.cost import parameter_count
from adm.params.data import ExtractorParams
from adm.params.models import UniformModelParams
from adm.params.schema import Params
from adm.planning.graph import Job, references_of
from adm.planning.images import images_of_dataset, images_of_job, images_of_reference
from adm.sampling.blocks import samples_of

FLOAT, DOUBLE, LABEL = 4, 8, 8
"""Bytes of a float32, a float64 and an int64."""

COPIES = {"init": 2, "train": 4, "adopt_checkpoints": 1}
"""How many float32 a checkpoint holds for each weight, by the rule that makes it: the weight, its average, and when it
is trained both of its moments; a published one has the average alone."""

INCEPTION = (2048, 17 * 17 * 7, 1008)
"""Pooled, spatial and logit features of an image, by the 2015 graph."""


@dataclass(frozen=True)
class Stored:
    """An artifact: the class of its folder, its bytes, and whether it goes when its last reader has read it."""

    folder: str
    size: int
    temporary: bool = False


def stored_of(params: Params, job: Job) -> Stored:
    """What a job writes; sizes, metrics, likelihoods, tables, figures and claims count as nothing."""
    folder, size = _WRITTEN.get(job.rule, ("others", _nothing))
    return Stored(folder, size(params, job), temporary=folder == "shards")


def features_of_run(params: Params, run: str) -> tuple[int, int, int]:
    """The numbers of pooled, spatial and logit features of an image of a run."""
    return _features(params, params.scored[run].extractor)


def features_of_reference(params: Params, reference: str) -> tuple[int, int, int]:
    """The numbers of pooled, spatial and logit features of an image of a reference."""
    return _features(params, references_of(params)[reference].extractor)


def _features(params: Params, graph: str) -> tuple[int, int, int]:
    section = params.graphs[graph]
    if isinstance(section, ExtractorParams):
        # Of the network in `adm.metrics.small_extractor`.
        return 64, (section.side // 4) ** 2 * 7, params.datasets[section.dataset].num_classes
    return INCEPTION


def _pixels(side: int) -> int:
    return 3 * side**2


def _nothing(_params: Params, _job: Job) -> int:
    return 0


def _dataset(params: Params, job: Job) -> int:
    dataset = params.datasets[job.key]
    return images_of_dataset(dataset) * (_pixels(dataset.image_size) + LABEL)


def _checkpoint(params: Params, job: Job) -> int:
    model = params.models[params.model_of(f"{job.key}-0" if job.rule == "init" else job.key)]
    if isinstance(model, UniformModelParams):
        return 0
    return COPIES[job.rule] * FLOAT * parameter_count(model)


def _samples(params: Params, job: Job) -> int:
    count = params.scored[job.key].num_samples
    if job.shard:
        count = len(samples_of(job.shard, count, _micro_batch(params, job.key)))
    return count * (_pixels(params.image_size_of(job.key)) + LABEL)


def _micro_batch(params: Params, run: str) -> int:
    return (params.runs[run] if run in params.runs else params.upsampled_runs[run]).micro_batch


def _features_of_run(params: Params, job: Job) -> int:
    return images_of_job(params, job) * sum(features_of_run(params, job.key)) * FLOAT


def _features_of_reference(params: Params, job: Job) -> int:
    return images_of_job(params, job) * sum(features_of_reference(params, job.key)) * FLOAT


def _reference(params: Params, job: Job) -> int:
    pool, spatial, _ = features_of_reference(params, job.key)
    numbers = pool + pool**2 + spatial + spatial**2
    if job.key in params.references:
        dataset = params.datasets[params.references[job.key].dataset]
        side = dataset.image_size
        if dataset.held_out:
            numbers += pool + pool**2
    else:
        side = params.published.references[job.key].image_size
    return DOUBLE * numbers + images_of_reference(params, job.key) * _pixels(side)


def _download(params: Params, job: Job) -> int:
    kind, _, key = job.key.partition("@")
    size = getattr(params.published, kind)[key].size
    # Without a size, a file is taken to be as large as what is made of it.
    return size or stored_of(params, Job(f"adopt_{kind}", key)).size


def _graph(params: Params, job: Job) -> int:
    return params.published.graphs[job.key].size or 0


def _interpolation(params: Params, job: Job) -> int:
    study = params.interpolations[job.key]
    return study.pairs * (study.points + 2) * _pixels(params.datasets[study.dataset].image_size)


def _variation(params: Params, job: Job) -> int:
    study = params.variations[job.key]
    return study.num_samples * len(study.scales) * _pixels(params.image_size_of(study.run))


def _neighbours(params: Params, job: Job) -> int:
    study = params.neighbours[job.key]
    samples = params.scored[study.run].num_samples
    return samples * (study.k * (LABEL + DOUBLE) + 1) + images_of_job(params, job) * DOUBLE


_WRITTEN: dict[str, tuple[str, Callable[[Params, Job], int]]] = {
    "fetch": ("downloads", _download),
    "prepare": ("data", _dataset),
    "adopt_graphs": ("extractors", _graph),
    **dict.fromkeys(("init", "train", "adopt_checkpoints"), ("checkpoints", _checkpoint)),
    **dict.fromkeys(("sample_shard", "upsample_shard"), ("shards", _samples)),
    **dict.fromkeys(("sample", "upsample", "sample_gan", "adopt_samples"), ("samples", _samples)),
    "features": ("features", _features_of_run),
    **dict.fromkeys(("dataset_features", "reference_features"), ("references", _features_of_reference)),
    **dict.fromkeys(("reference", "adopt_references"), ("references", _reference)),
    "interpolate": ("studies", _interpolation),
    "vary": ("studies", _variation),
    "neighbours": ("studies", _neighbours),
}
"""By rule: the folder of its artifact, and what counts the bytes."""
