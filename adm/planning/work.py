"""The floating-point operations of a job, and the share of a device's peak that it reaches."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from adm.arithmetic.families import rounds_of
from adm.arithmetic.respacing import number_of_steps
from adm.nets.cost import NetworkModelParams, forward_flops
from adm.paper import table_cells
from adm.params.compute import ThroughputParams
from adm.params.models import ClassifierModelParams, DiffusionModelParams, Precision, UpsamplerModelParams
from adm.params.published import PublishedGraphParams
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.schedules import AnyScheduleParams, SearchParams
from adm.params.studies import LikelihoodParams
from adm.pipeline import Job
from adm.planning.devices import CLASSIFIER_SHARE, GRAPH_FLOPS, NETWORK_FLOPS, SINGLE_SHARE
from adm.planning.images import ImageCounts
from adm.report.accelerators import Device
from adm.report.compute import PASSES
from adm.sampling.blocks import WHOLE, Shard, blocks_of

GRADIENT_PASSES = 2
"""Cost of an image's gradient in forward passes: one forward pass, and a backward pass without weights' gradients."""

SINGLE: frozenset[Precision] = frozenset({"float32", "tf32"})
"""Precisions that are planned as float32; no share of a peak in TensorFloat-32 is published."""


@dataclass(frozen=True)
class Work:
    """Operations of one kind.

    Attributes:
        flops: The number of operations.
        share: The share of a device's peak that they reach, in (0, 1].
        single: Whether they are in float32.
    """

    flops: float
    share: float
    single: bool

    def seconds(self, device: Device, relative: float) -> float:
        """Seconds on one device.

        Args:
            device: The device.
            relative: The share of the device's peak in half precision, divided by `share`.
        """
        if self.single:
            return self.flops / (device.single_flops * self.share)
        return self.flops / (device.half_flops * self.share * relative)


@dataclass(frozen=True)
class Shares:
    """The share of a V100's peak that the paper's training reached, by kind of model and image size.

    Sampling is assumed to reach the same share as training. A size without a measurement has the share of the nearest
    size.

    Source: Table 7, the optimised rows; classifiers: Tables 10 and 12.
    """

    measured: dict[tuple[str, int], float]

    @classmethod
    def read(cls) -> "Shares":
        """Read the shares from the paper's Table 7."""
        header, rows = table_cells("table_7")
        group, row, rate = (header.index(column) for column in ("group", "row", "images_per_v100_second"))
        rates: dict[str, dict[str, float]] = {}
        for cells in rows:
            rates.setdefault(cells[group], {})[cells[row]] = float(cells[rate])
        measured = {}
        for sizes, found in rates.items():
            # "64×64" is a diffusion model, "64→256" an upsampler.
            parts = re.fullmatch(r"(\d+)([×→])(\d+)", sizes)
            assert parts is not None, sizes
            kind = "diffusion" if parts[2] == "×" else "upsampler"
            measured[kind, int(parts[3])] = found["Optimized"] / found["Theoretical"]
        return cls(measured)

    def of(self, model: NetworkModelParams, precision: Precision) -> float:
        """The share for a model's training or sampling."""
        if precision in SINGLE:
            return SINGLE_SHARE
        if isinstance(model, ClassifierModelParams):
            return CLASSIFIER_SHARE
        side = model.network.image_size
        sizes = [size for kind, size in self.measured if kind == model.kind]
        return self.measured[model.kind, min(sizes, key=lambda size: abs(math.log(size / side)))]


def work_of(counts: ImageCounts, shares: Shares, job: Job) -> list[Work]:
    """The work of a job on accelerators; a job on processors has none.

    Training of GANs and of small extractors, and features from these, are not counted.
    """
    return [work for work in _Worker(counts, shares).of(job) if work.flops]


@dataclass(frozen=True)
class _Worker:
    counts: ImageCounts
    shares: Shares

    def of(self, job: Job) -> Iterator[Work]:
        read = job.sections
        match job.rule:
            case "train":
                updates = read["segment"].stop - self.counts.params.iteration_of(read["segment"].previous)
                training = read["model"].training
                yield self._passes(read["model"], PASSES * updates * training.batch_size, training.precision)
            case "sample" | "sample_shard" | "vary" | "curve":
                for run, images in _sampled(job):
                    yield from self._sampling(job, run, images)
                if job.rule == "curve":
                    yield from self._features(job)
            case "features" | "dataset_features" | "reference_features":
                yield from self._features(job)
            case "likelihood" | "schedule":
                yield from self._measured(job, read[job.rule])
            case "interpolate":
                yield from self._interpolation(job)
            case "throughput":
                yield from self._throughput(read["throughput"], read["model"])

    def _sampling(self, job: Job, run: RunParams | UpsampledRunParams, images: int) -> Iterator[Work]:
        read = job.sections
        models = read["models"] if job.rule == "curve" else {}
        model = models[run.checkpoint] if models else read["model"]
        evaluations = run.evaluations(model.noise.timesteps)
        yield self._passes(model, images * evaluations.denoiser, run.precision)
        if not isinstance(run, RunParams):
            return
        if evaluations.classifier:
            guide = models[run.classifier] if models else read["classifier_model"]
            yield self._passes(guide, GRADIENT_PASSES * images * evaluations.classifier, run.classifier_precision)
        if evaluations.guide:
            weaker = model if run.guide is None else models[run.guide.checkpoint] if models else read["guide_model"]
            yield self._passes(weaker, images * evaluations.guide, run.precision)

    def _features(self, job: Job) -> Iterator[Work]:
        if isinstance(job.sections["extractor"], PublishedGraphParams):
            flops = NETWORK_FLOPS.get(job.sections["extractor"].network or "", GRAPH_FLOPS)
            yield Work(self.counts.of_job(job) * flops, SINGLE_SHARE, single=True)

    def _measured(self, job: Job, study: LikelihoodParams | AnyScheduleParams) -> Iterator[Work]:
        if not isinstance(study, SearchParams):
            model, steps = job.sections["model"], study.steps if isinstance(study, LikelihoodParams) else study.among
            passes = study.num_images * _steps(model, steps or str(model.noise.timesteps))
            yield self._passes(model, passes, study.precision)
            return
        rounds = rounds_of(study.candidates, study.num_samples)
        # Images of one round are kept for the next, but their features are computed again.
        fewer = [(0, 0), *rounds]
        images = sum(count * (now - before) for (count, now), (_, before) in zip(rounds, fewer, strict=False))
        yield from self._sampling(job, job.sections["run"], images)
        if isinstance(job.sections["extractor"], PublishedGraphParams):
            yield Work(sum(map(math.prod, rounds)) * GRAPH_FLOPS, SINGLE_SHARE, single=True)

    def _interpolation(self, job: Job) -> Iterator[Work]:
        study, model = job.sections["interpolation"], job.sections["model"]
        steps = _steps(model, study.steps)
        # Pairs are encoded with all steps but the last, and decoded with all. Reconstructions are encoded so twice and
        # with all steps once, decoded with all steps twice and without the last once.
        encoded = 2 * study.pairs * (steps - 1) + study.reconstructions * (3 * steps - 2)
        decoded = study.pairs * study.points * steps + study.reconstructions * (3 * steps - 1)
        yield self._passes(model, encoded + decoded, study.precision)
        if study.gradient_scale:
            yield self._passes(job.sections["classifier_model"], GRADIENT_PASSES * decoded, study.classifier_precision)

    def _throughput(self, timed: ThroughputParams, model: NetworkModelParams) -> Iterator[Work]:
        updates = timed.steps * timed.repetitions
        yield self._passes(model, PASSES * updates * timed.naive_batch, "float32")
        yield self._passes(model, PASSES * updates * timed.optimised_batch, timed.optimised_precision)

    def _passes(self, model: NetworkModelParams, count: int, precision: Precision) -> Work:
        return Work(count * forward_flops(model), self.shares.of(model, precision), precision in SINGLE)


def _steps(model: DiffusionModelParams | UpsamplerModelParams, steps: str) -> int:
    return number_of_steps(model.noise.timesteps, steps)


def _sampled(job: Job) -> Iterator[tuple[RunParams | UpsampledRunParams, int]]:
    """The runs that a job samples, each with the number of images that it computes."""
    read = job.sections
    if job.rule == "vary":
        for scale in read["variation"].scales:
            yield read["run"].model_copy(update={"gradient_scale": scale}), read["variation"].num_samples
        return
    shard = Shard.parse(job.shard) if job.shard else WHOLE
    for run in read["runs"].values() if job.rule == "curve" else [read["run"]]:
        # The last block of a run is computed as a whole.
        yield run, len(blocks_of(shard, run.num_samples, run.micro_batch)) * run.micro_batch
