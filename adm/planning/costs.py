"""Costs of all jobs of a params file: operations, seconds and bytes of the quantities that their kinds declare."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from adm.nets.cost import forward_flops, parameter_count
from adm.params.published import PublishedGraphParams
from adm.pipeline import Job
from adm.pipeline.cost import (
    FLOAT,
    INDEX,
    LABEL,
    Bytes,
    Decoded,
    Files,
    Fitted,
    Nearest,
    Passes,
    Quantity,
    Scored,
    Seen,
    Weights,
)
from adm.planning.devices import FLOPS_OF_A_THREAD, GRAPH_FLOPS, HASH_RATE, NETWORK_FLOPS, SINGLE_SHARE
from adm.planning.images import ImageCounts, bytes_of_files
from adm.planning.processors import evaluation_flops, reading_seconds
from adm.planning.work import SINGLE, Shares, Work
from adm.report.compute import Device


@dataclass(frozen=True)
class Cost:
    """The cost of a job, independent of the machine.

    Attributes:
        job: The job.
        after: The names of the jobs whose artifacts it reads.
        work: Its work on accelerators.
        processor_seconds: Seconds of computation on the threads of its section, which are assumed to multiply matrices
            all the time; 0 if accelerators compute it, or if it is short.
        reads: Bytes of the artifacts that it reads.
        writes: Bytes of the artifact that it writes, without some kilobytes of headers and json.
    """

    job: Job
    after: tuple[str, ...]
    work: tuple[Work, ...]
    processor_seconds: float
    reads: int
    writes: int

    @property
    def group(self) -> str:
        """What is summed up: its kind, with that of its model if there is one."""
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

    Attributes:
        device: The type of its GPUs.
        relative: The share of the peak that networks reach on this device in half precision, divided by that of a V100.
    """

    device: Device
    relative: float = 1.0

    def gpu_seconds(self, cost: Cost) -> float:
        """Seconds that one of its GPUs computes for a job."""
        return sum(work.seconds(self.device, self.relative) for work in cost.work)


def costs_of(counts: ImageCounts) -> dict[str, Cost]:
    """The cost of each job, by its name."""
    pipeline, shares = counts.pipeline, Shares.read()
    found = {name: quantities(counts, job) for name, job in pipeline.jobs.items()}
    stored = {name: sum(map(_bytes, each)) for name, each in found.items()}
    costs = {}
    for name, job in pipeline.jobs.items():
        after = tuple(pipeline.after(job))
        costs[name] = Cost(
            job=job,
            after=after,
            work=tuple(work for one in found[name] if (work := _work(shares, one)) is not None),
            processor_seconds=sum(_seconds(one, job.threads) for one in found[name]),
            reads=sum(stored[before] for before in after),
            writes=stored[name],
        )
    return costs


def quantities(counts: ImageCounts, job: Job) -> list[Quantity]:
    """What a job costs."""
    return list(job.kind.cost(job, counts)) if job.kind.cost else []


def stored_bytes(counts: ImageCounts, job: Job) -> int:
    """The bytes of what a job writes; sizes, metrics, likelihoods, tables, figures and claims count as none."""
    return sum(map(_bytes, quantities(counts, job)))


def _work(shares: Shares, quantity: Quantity) -> Work | None:
    """The work of a quantity on accelerators; training of GANs and of small extractors is not counted."""
    match quantity:
        case Passes(model, count, precision) if count:
            return Work(count * forward_flops(model), shares.of(model, precision), precision in SINGLE)
        case Seen(PublishedGraphParams() as graph, images) if images:
            return Work(images * NETWORK_FLOPS.get(graph.network or "", GRAPH_FLOPS), SINGLE_SHARE, single=True)
    return None


def _seconds(quantity: Quantity, threads: int) -> float:
    rate = FLOPS_OF_A_THREAD * threads
    match quantity:
        case Decoded(dataset, images, several):
            return images * reading_seconds(dataset) / several
        case Fitted(images, widths):
            return images * sum(width**2 for width in widths) / rate
        case Scored(samples, real, width, spatial):
            return evaluation_flops(samples, real, width, spatial) / rate
        case Nearest(samples, real, width):
            # float32 has twice the rate; distances within the dataset are symmetric.
            return (2 * samples * real + real**2) * width / 2 / rate
    return 0.0


def _bytes(quantity: Quantity) -> int:
    match quantity:
        case Bytes(size):
            return size
        case Weights(model, copies):
            return copies * FLOAT * parameter_count(model)
        case Files(dataset, images):
            return bytes_of_files(dataset, images) + images * (INDEX + LABEL)
    return 0


def longest_chain(costs: Mapping[str, Cost], machine: Machine, gpus: Mapping[str, int]) -> list[tuple[str, float]]:
    """The chain of jobs that takes longest, each with its seconds: a lower bound for any number of GPUs.

    Args:
        costs: Of all jobs.
        machine: The machine.
        gpus: By kind, the GPUs that a job is spread over; of others one.
    """
    best = dict[str, float]()
    before = dict[str, str | None]()
    own = {name: seconds_on(cost, machine, gpus.get(cost.job.kind.name, 1)) for name, cost in costs.items()}
    for name in TopologicalSorter({name: cost.after for name, cost in costs.items()}).static_order():
        last = max(costs[name].after, key=best.__getitem__, default=None)
        before[name], best[name] = last, own[name] + (best[last] if last is not None else 0.0)
    chain, at = list[tuple[str, float]](), max(best, key=best.__getitem__, default=None)
    while at is not None:
        chain.insert(0, (at, own[at]))
        at = before[at]
    return chain


def seconds_on(cost: Cost, machine: Machine, gpus: int) -> float:
    """Seconds of a job whose work is spread over some GPUs."""
    return machine.gpu_seconds(cost) / gpus + cost.processor_seconds + cost.hashing_seconds


def without_training(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """The jobs that remain if all checkpoints exist; what only training reads is not needed."""
    readers = Counter(before for cost in costs.values() if cost.job.kind.name != "train" for before in cost.after)
    gone = {name for name, cost in costs.items() if cost.job.kind.name == "train"}
    gone |= {name for name, cost in costs.items() if cost.job.kind.name == "prepare" and not readers[name]}
    left = {name: cost for name, cost in costs.items() if name not in gone}
    kept = {name: tuple(before for before in cost.after if before in left) for name, cost in left.items()}
    return {name: Cost(**{**vars(cost), "after": kept[name]}) for name, cost in left.items()}
