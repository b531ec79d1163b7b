"""The floating-point operations of a job, and the share of a device's peak at which it makes them."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from adm.arithmetic.respacing import respaced_timesteps
from adm.nets.cost import NetworkModelParams, forward_flops
from adm.params.models import ClassifierModelParams, Precision, UniformModelParams
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.schema import Params
from adm.params.studies import InterpolationParams, LikelihoodParams, VariationParams
from adm.planning.devices import CLASSIFIER_SHARE, GRAPH_FLOPS, SINGLE_SHARE, Device
from adm.planning.graph import Job, references_of
from adm.planning.images import images_of_job
from adm.report.compute import PASSES
from adm.report.paper import read_paper_table
from adm.sampling.blocks import WHOLE, blocks_of

GRADIENT_PASSES = 2
"""Forward passes that a gradient by the image alone costs: one forward, and a backward that leaves the weights out."""


@dataclass(frozen=True)
class Work:
    """Operations of one kind.

    Attributes:
        flops: How many.
        share: Of a device's peak, in (0, 1].
        single: Whether they are in float32.
    """

    flops: float
    share: float
    single: bool

    def seconds(self, device: Device, relative: float) -> float:
        """How long one device takes.

        Args:
            device: What computes.
            relative: The share of the device's peak in half precision, as a multiple of `share`.
        """
        if self.single:
            return self.flops / (device.single_flops * self.share)
        return self.flops / (device.half_flops * self.share * relative)


@dataclass(frozen=True)
class Shares:
    """Which share of a V100's peak the paper's training reached, by kind of model and image size.

    Sampling is taken to reach the share of training. A size that was not measured has that of the nearest one.

    Source: Table 7, the optimised rows; classifiers: Tables 10 and 12.
    """

    measured: dict[tuple[str, int], float]

    @classmethod
    def read(cls) -> "Shares":
        """Read them from the paper's Table 7."""
        measured = {}
        rates = read_paper_table("table_7").set_index(["group", "row"])["images_per_v100_second"]
        for group in rates.index.unique("group"):
            sides = re.fullmatch(r"(\d+)([×→])(\d+)", group)
            assert sides is not None, group
            kind = "diffusion" if sides[2] == "×" else "upsampler"
            measured[kind, int(sides[3])] = float(rates[group, "Optimized"] / rates[group, "Theoretical"])
        return cls(measured)

    def of(self, model: NetworkModelParams, precision: Precision) -> float:
        """The share of a model's training or sampling."""
        if precision == "float32":
            return SINGLE_SHARE
        if isinstance(model, ClassifierModelParams):
            return CLASSIFIER_SHARE
        side = model.network.image_size
        sizes = [size for kind, size in self.measured if kind == model.kind]
        return self.measured[model.kind, min(sizes, key=lambda size: abs(math.log(size / side)))]


def work_of(params: Params, shares: Shares, job: Job) -> list[Work]:
    """What accelerators compute in a job; nothing where processors alone do.

    Training of GANs and of small extractors, and features of these, count as nothing.
    """
    return [work for work in _Worker(params, shares).of(job) if work.flops]


@dataclass(frozen=True)
class _Worker:
    params: Params
    shares: Shares

    def of(self, job: Job) -> Iterator[Work]:
        match job.rule.removesuffix("_shard"):
            case "train":
                yield self._training(job.key)
            case "sample" | "upsample" if job.shard or self.params.execution.shards == 1:
                yield from self._sampling(job)
            case "features" | "dataset_features" | "reference_features":
                yield from self._features(job)
            case "likelihood" | "interpolate" | "vary":
                yield from self._study(job.key)
            case "throughput":
                yield from self._throughput(job.key)

    def _training(self, key: str) -> Work:
        segment = self.params.segments[key]
        model = self._model(segment.previous)
        updates = segment.stop - self.params.iteration_of(segment.previous)
        images = updates * model.training.batch_size
        return self._passes(model, PASSES * images, model.training.precision)

    def _sampling(self, job: Job) -> Iterator[Work]:
        runs: dict[str, RunParams | UpsampledRunParams] = {**self.params.runs, **self.params.upsampled_runs}
        run = runs[job.key]
        # The last block of a run is computed whole.
        blocks = blocks_of(job.shard or WHOLE, run.num_samples, run.micro_batch)
        yield from self._guided(run, len(blocks) * run.micro_batch)

    def _guided(self, run: RunParams | UpsampledRunParams, images: int) -> Iterator[Work]:
        model = self._model(run.checkpoint)
        passes = images * _steps(model, run.steps)
        yield self._passes(model, passes, run.precision)
        if isinstance(run, RunParams) and run.gradient_scale:
            yield from self._gradient(run.classifier, passes, run.precision)

    def _gradient(self, classifier: str, images: int, precision: Precision) -> Iterator[Work]:
        if self.params.models[self.params.model_of(classifier)].kind != "uniform":
            yield self._passes(self._model(classifier), GRADIENT_PASSES * images, precision)

    def _features(self, job: Job) -> Iterator[Work]:
        graph = _graph_of(self.params, job)
        if graph in self.params.published.graphs:
            yield Work(images_of_job(self.params, job) * GRAPH_FLOPS, SINGLE_SHARE, single=True)

    def _study(self, key: str) -> Iterator[Work]:
        study = self.params.studies[key]
        match study:
            case LikelihoodParams():
                model = self._model(study.checkpoint)
                steps = _steps(model, study.steps or str(model.noise.timesteps))
                yield self._passes(model, study.num_images * steps, study.precision)
            case VariationParams():
                run = self.params.runs[study.run]
                for scale in study.scales:
                    yield from self._guided(run.model_copy(update={"gradient_scale": scale}), study.num_samples)
            case InterpolationParams():
                model = self._model(study.checkpoint)
                steps = _steps(model, study.steps)
                # Pairs go there by all steps but the last, and reconstructions by those and by all.
                measured = study.reconstructions * (2 * steps - 1)
                encoded = 2 * study.pairs * (steps - 1) + measured
                decoded = study.pairs * study.points * (steps - 1) + measured
                yield self._passes(model, encoded + decoded, study.precision)
                if study.gradient_scale:
                    yield from self._gradient(study.classifier, decoded, study.precision)

    def _throughput(self, key: str) -> Iterator[Work]:
        timed = self.params.throughput[key]
        model, updates = self._model(f"{timed.model}-0"), timed.steps * timed.repetitions
        yield self._passes(model, PASSES * updates * timed.naive_batch, "float32")
        yield self._passes(model, PASSES * updates * timed.optimised_batch, timed.optimised_precision)

    def _model(self, checkpoint: str) -> NetworkModelParams:
        model = self.params.models[self.params.model_of(checkpoint)]
        assert not isinstance(model, UniformModelParams)
        return model

    def _passes(self, model: NetworkModelParams, count: int, precision: Precision) -> Work:
        return Work(count * forward_flops(model), self.shares.of(model, precision), precision == "float32")


def _steps(model: NetworkModelParams, steps: str) -> int:
    return len(respaced_timesteps(model.noise.timesteps, steps))


def _graph_of(params: Params, job: Job) -> str:
    if job.rule == "features":
        return params.scored[job.key].extractor
    return references_of(params)[job.key].extractor
