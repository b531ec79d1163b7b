"""The bytes of every artifact, without some kilobytes of headers and json."""

from collections.abc import Callable
from dataclasses import dataclass

from adm.arithmetic.power_ema import snapshot_steps
from adm.metrics.dinov2 import NETWORKS
from adm.nets.cost import parameter_count
from adm.params import Params
from adm.params.data import ExtractorParams, GraphParams
from adm.params.published import PublishedGraphParams
from adm.pipeline import Job
from adm.planning.images import ImageCounts, bytes_of_files
from adm.sampling.blocks import Shard, samples_of

FLOAT, DOUBLE, LABEL, INDEX = 4, 8, 8, 24
"""Bytes of a float32, a float64, an int64, and an image's entry in the index of stored files."""

COPIES = {"init": 2, "train": 4, "adopt_checkpoints": 1}
"""Number of float32 in a checkpoint for each weight, by the rule that makes it: the weight and its average, and both of
its moments if it is trained; a published checkpoint has only the average."""

INCEPTION = (2048, 17 * 17 * 7, 1008)
"""Numbers of pooled, spatial and logit features of an image from the 2015 graph."""

WIDTHS = {name: shape["width"] for name, shape in NETWORKS.items()}
"""Numbers of pooled features of an image from the networks that give no others."""


@dataclass(frozen=True)
class Stored:
    """An artifact: the folder of its kind, its bytes, and whether it is deleted after its last reader."""

    folder: str
    size: int
    temporary: bool = False


def stored_of(counts: ImageCounts, job: Job) -> Stored:
    """The artifact of a job; sizes, metrics, likelihoods, schedules, tables, figures and claims count as 0 bytes."""
    folder = job.out.relative_to(job.root).parts[0]
    return Stored(folder, _Sizes(counts).of(job), temporary=bool(job.shard))


def features_of_run(params: Params, run: str) -> tuple[int, int, int]:
    """The numbers of pooled, spatial and logit features of an image of a run."""
    return features_of_graph(params, params.graphs[params.extractor_of(run)])


def features_of_graph(params: Params, graph: GraphParams) -> tuple[int, int, int]:
    """The numbers of pooled, spatial and logit features of an image from a graph."""
    if isinstance(graph, ExtractorParams):
        # The network in `adm.metrics.small_extractor`.
        return 64, (graph.side // 4) ** 2 * 7, params.datasets[graph.dataset].num_classes
    network = graph.network if isinstance(graph, PublishedGraphParams) else None
    return INCEPTION if network is None else (WIDTHS[network], 0, 0)


@dataclass(frozen=True)
class _Sizes:
    counts: ImageCounts

    def of(self, job: Job) -> int:
        sizes: dict[str, Callable[[Job], int]] = {
            "fetch": self._download,
            "prepare": self._dataset,
            "adopt_graphs": lambda job: job.sections["published"].size or 0,
            **dict.fromkeys(COPIES, self._checkpoint),
            **dict.fromkeys(("sample", "sample_shard", "gather", "sample_gan", "adopt_samples"), self._samples),
            **dict.fromkeys(("features", "dataset_features", "reference_features"), self._features),
            **dict.fromkeys(("reference", "adopt_references"), self._reference),
            "interpolate": self._interpolation,
            "vary": self._variation,
            "neighbours": self._neighbours,
        }
        return sizes[job.rule](job) if job.rule in sizes else 0

    def _download(self, job: Job) -> int:
        size: int | None = job.sections["published"].size
        # A file of unknown size is assumed to be as large as the artifact made from it.
        return size if size is not None else self.of(self.counts.pipeline.jobs[f"adopt_{job.key}"])

    def _dataset(self, job: Job) -> int:
        dataset, count = job.sections["dataset"], self.counts.of_job(job)
        if dataset.stored == "files":
            return bytes_of_files(dataset, count) + count * (INDEX + LABEL)
        return count * (_pixels(dataset.side) + LABEL)

    def _checkpoint(self, job: Job) -> int:
        model = job.sections["model"]
        return (COPIES[job.rule] + self._averages(job)) * FLOAT * parameter_count(model)

    def _averages(self, job: Job) -> int:
        """The averages in a segment's own snapshots; those of earlier segments are links to theirs."""
        kept = job.sections["model"].training.averages
        if job.rule != "train" or kept is None:
            return 0
        segment = job.sections["segment"]
        start = self.counts.params.iteration_of(segment.previous)
        return len(kept.lengths) * sum(step > start for step in snapshot_steps(kept.every, segment.stop))

    def _features(self, job: Job) -> int:
        features = features_of_graph(self.counts.params, job.sections["extractor"])
        return self.counts.of_job(job) * sum(features) * FLOAT

    def _samples(self, job: Job) -> int:
        count = self.counts.of_job(job)
        if job.shard:
            count = len(samples_of(Shard.parse(job.shard), count, job.sections["run"].micro_batch))
        return count * (_pixels(self.counts.params.image_size_of(job.key)) + LABEL)

    def _reference(self, job: Job) -> int:
        params = self.counts.params
        pool, spatial, _ = features_of_graph(params, params.graphs[params.all_references[job.key].extractor])
        numbers = pool + pool**2 + spatial + spatial**2
        unseen = 0
        if job.rule == "reference":
            dataset = params.references[job.key].dataset
            unseen = self.counts.datasets[dataset] - self.counts.trained_on(dataset)
        images = self.counts.of_reference(job.key) * _pixels(params.image_size_of_reference(job.key))
        # Of held-out images the pooled features are kept.
        return DOUBLE * numbers + FLOAT * pool * unseen + images

    def _interpolation(self, job: Job) -> int:
        study = job.sections["interpolation"]
        side = self.counts.params.datasets[study.dataset].side
        return int(study.pairs * (study.points + 2) * _pixels(side))

    def _variation(self, job: Job) -> int:
        study = job.sections["variation"]
        return int(study.num_samples * len(study.scales) * _pixels(self.counts.params.image_size_of(study.run)))

    def _neighbours(self, job: Job) -> int:
        study = job.sections["neighbours"]
        samples = self.counts.params.scored[study.run].num_samples
        return samples * (int(study.k) * (LABEL + DOUBLE) + 1) + self.counts.of_job(job) * DOUBLE


def _pixels(side: int) -> int:
    return 3 * side**2
