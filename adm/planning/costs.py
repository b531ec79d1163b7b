"""Costs of all jobs of a params file: operations, seconds and bytes of the quantities that their kinds declare."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter

from adm.config.models import AnyModel, ClassifierModel, Precision
from adm.nets import PRESETS
from adm.nets.cost import forward_flops, network_cost, parameter_count
from adm.paper import table_cells
from adm.params.data import PublishedGraphParams
from adm.pipeline import Job, Pipeline
from adm.pipeline.cost import (
    FLOAT,
    INDEX,
    LABEL,
    Bytes,
    Decoded,
    Files,
    Operations,
    Passes,
    Seen,
    Weights,
)
from adm.planning.images import bytes_of_files, count_images
from adm.report.compute import A100, SECONDS_PER_DAY, Device, utilisation

SINGLE: frozenset[Precision] = frozenset({"float32", "tf32"})
"""Precisions that are planned as float32; no share of a peak in TensorFloat-32 is published."""

CLASSIFIER_SHARE = 0.11
"""Share of a V100's peak in training a classifier: with it, Table 12's iterations give the days of Table 10."""

SINGLE_SHARE = 0.6
"""Share of a device's float32 peak that a network reaches. An assumption, because nothing is published."""

GRAPH_FLOPS = 11.426e9
"""Operations of the 2015 Inception graph's products for one image; a multiply-add counts as two."""

NETWORK_FLOPS = {"dinov2-vitl14": 161.98e9}
"""Operations of the products of other published networks for one image, counted by torch's own counter."""

HASH_RATE = 0.9e9
"""Bytes per second of sha256, measured on one core of an x86-64 server."""

FLOPS_OF_A_THREAD = 22.5e9
"""Float64 operations per second of a matrix product, measured on the same core; float32 is twice as fast."""

DECODING, RESIZING = 2.0e-3, 1.33e-8
"""Seconds to decode a JPEG of 500x375, and to crop it per pixel of the square, measured on the same core."""


@dataclass(frozen=True)
class Work:
    """Operations of one kind, in float32 or not, and the share of a device's peak that they reach, in (0, 1]."""

    flops: float
    share: float
    single: bool


@dataclass(frozen=True)
class Cost:
    """The cost of a job, independent of the machine.

    Attributes:
        job: The job.
        after: The names of the jobs whose artifacts it reads.
        work: Its work on accelerators.
        processor_seconds: Seconds on the threads of its section, as if they multiplied matrices all the time; 0 if
            accelerators compute it, or if it is short.
        reads: Bytes of the artifacts that it reads.
        writes: Bytes of the artifact that it writes, without some kilobytes of headers and json; of sizes, scores,
            likelihoods and what is shown none.
    """

    job: Job
    after: tuple[str, ...]
    work: tuple[Work, ...]
    processor_seconds: float
    reads: int
    writes: int

    @property
    def group(self) -> str:
        """Its kind, with that of its model if there is one: what tables sum over."""
        model = getattr(self.job.sections.get("model"), "kind", "")
        return f"{self.job.kind.name}, {model}" if model else self.job.kind.name

    @property
    def is_kept(self) -> bool:
        """Whether its artifact stays: shards of a run are deleted once they are gathered."""
        return not self.job.shard

    @property
    def flops(self) -> float:
        """Floating-point operations on accelerators."""
        return sum(work.flops for work in self.work)

    @property
    def hashing_seconds(self) -> float:
        """Seconds of hashing: a stage hashes everything that it reads, and artifacts that it writes to stay."""
        return (self.reads + self.writes * self.is_kept) / HASH_RATE


@dataclass(frozen=True)
class Machine:
    """A machine with GPUs of one type.

    In half precision networks reach `relative` times the share of its peak that they reach on a V100.
    """

    device: Device
    relative: float = 1.0

    def gpu_seconds(self, cost: Cost) -> float:
        """Estimate the seconds that one of its GPUs computes for a job."""
        half, single = self.device.half_flops * self.relative, self.device.single_flops
        return sum(work.flops / ((single if work.single else half) * work.share) for work in cost.work)


def costs_of(pipeline: Pipeline) -> dict[str, Cost]:
    """Count the cost of each job, by its name; each comes after the jobs that it waits for.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    costs, counts = dict[str, Cost](), count_images(pipeline)
    for name, job in pipeline.jobs.items():
        work, seconds, stored = list[Work](), 0.0, 0
        for quantity in job.kind.cost(job, counts) if job.kind.cost else ():
            match quantity:
                case Passes(model, count, precision) if count:
                    share = share_of(model, precision)
                    work.append(Work(count * forward_flops(model), share, precision in SINGLE))
                case Seen(PublishedGraphParams() as graph, images) if images:  # small extractors are not counted
                    flops = NETWORK_FLOPS.get(graph.network or "", GRAPH_FLOPS)
                    work.append(Work(images * flops, SINGLE_SHARE, single=True))
                case Decoded(dataset, images, threads):
                    seconds += images * (DECODING + RESIZING * (dataset.image_size or 0) ** 2) / threads
                case Operations(count):
                    seconds += count / (FLOPS_OF_A_THREAD * job.threads)
                case Bytes(size):
                    stored += size
                case Weights(model, copies):
                    stored += copies * FLOAT * parameter_count(model)
                case Files(dataset, images):
                    stored += bytes_of_files(dataset, images) + images * (INDEX + LABEL)
        after = tuple(pipeline.after(job))
        costs[name] = Cost(job, after, tuple(work), seconds, sum(costs[before].writes for before in after), stored)
    return costs


def longest_chain(costs: Mapping[str, Cost], machine: Machine, gpus: Mapping[str, int]) -> list[tuple[str, float]]:
    """Find the chain of jobs that takes longest, each with its seconds: a lower bound for any number of GPUs.

    Args:
        costs: Of all jobs, each after those that it waits for.
        machine: The machine.
        gpus: By kind, the GPUs that a job is spread over; of others one.
    """
    longest: dict[str, tuple[float, list[tuple[str, float]]]] = {}
    for name, cost in costs.items():
        own = seconds_on(cost, machine, gpus.get(cost.job.kind.name, 1))
        before, chain = max((longest[each] for each in cost.after), key=itemgetter(0), default=(0.0, []))
        longest[name] = before + own, [*chain, (name, own)]
    return max(longest.values(), key=itemgetter(0), default=(0.0, []))[1]


def seconds_on(cost: Cost, machine: Machine, gpus: int) -> float:
    """Estimate the seconds of a job whose work is spread over some GPUs."""
    return machine.gpu_seconds(cost) / gpus + cost.processor_seconds + cost.hashing_seconds


@cache
def measured_shares() -> dict[tuple[str, int], float]:
    """Return the share of a V100's peak that the paper's training reached, by kind of model and image size.

    Source: Table 7, the optimised rows.
    """
    header, cells = table_cells("table_7")
    rows = [dict(zip(header, each, strict=True)) for each in cells]
    rates = {(row["group"], row["row"]): float(row["images_per_v100_second"]) for row in rows}
    measured = {}
    for sizes in dict.fromkeys(row["group"] for row in rows):
        # "64×64" is a diffusion model, "64→256" an upsampler.
        _, sign, side = re.split("([×→])", sizes)
        kind = "diffusion" if sign == "×" else "upsampler"
        measured[kind, int(side)] = rates[sizes, "Optimized"] / rates[sizes, "Theoretical"]
    return measured


def share_of(model: AnyModel, precision: Precision) -> float:
    """Assume the share of a device's peak that training or sampling a model reaches: that of the nearest size."""
    if precision in SINGLE:
        return SINGLE_SHARE
    if isinstance(model, ClassifierModel):
        return CLASSIFIER_SHARE
    side, measured = model.network.image_size, measured_shares()
    sizes = [size for kind, size in measured if kind == model.kind]
    return measured[model.kind, min(sizes, key=lambda size: abs(math.log(size / side)))]


def published_share() -> float:
    """Return the share of an A100's peak that others published for training the 64x64 network, in (0, 1).

    Source: NVlabs/edm, README: 2500 million images in about 13 days on 32 A100, at a batch of 4096 in float16.
    """
    images_per_second = 2500.0e6 / (13 * SECONDS_PER_DAY) / 32
    return utilisation(images_per_second, network_cost(PRESETS["imagenet64"]).flops, A100.half_flops)
