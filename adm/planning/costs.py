"""Costs of all jobs of a params file, and the jobs as tasks of a schedule on a machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from adm.params.resources import JobResources, ProcessResources
from adm.pipeline import Job, Pipeline
from adm.planning.devices import HASH_RATE
from adm.planning.images import ImageCounts
from adm.planning.processors import processor_seconds
from adm.planning.schedule import Task
from adm.planning.storage import Stored, stored_of
from adm.planning.work import Shares, Work, work_of
from adm.report.accelerators import Device

TRAININGS = {
    "diffusion": "training diffusion models",
    "upsampler": "training upsamplers",
    "classifier": "training classifiers",
}
SAMPLING = "sampling"
UPSAMPLING = "upsampling"
FEATURES = "features"
STUDIES = "studies"
PROCESSORS = "processors alone"

GROUPS = {
    "features": FEATURES,
    "dataset_features": FEATURES,
    "reference_features": FEATURES,
    "likelihood": STUDIES,
    "schedule": STUDIES,
    "interpolate": STUDIES,
    "vary": STUDIES,
    "throughput": STUDIES,
}
"""Groups of jobs on accelerators, by rule; jobs that train or sample are grouped by the kind of their model."""

ON_GPUS = (*TRAININGS.values(), SAMPLING, UPSAMPLING, FEATURES, STUDIES)
"""All groups of jobs on accelerators."""


@dataclass(frozen=True)
class Cost:
    """The cost of a job, independent of the machine.

    Attributes:
        job: The job.
        after: The names of the jobs whose artifacts it reads.
        granted: The resources that the params file grants it.
        group: The name of its group.
        work: Its work on accelerators.
        most_gpus: The largest number of GPUs for this work; 0 if there is none.
        processor_seconds: Seconds of computation on processors.
        reads: Bytes of the artifacts that it reads.
        stored: The artifact that it writes.
    """

    job: Job
    after: tuple[str, ...]
    granted: JobResources
    group: str
    work: tuple[Work, ...]
    most_gpus: int
    processor_seconds: float
    reads: int
    stored: Stored

    @property
    def flops(self) -> float:
        """Floating-point operations on accelerators."""
        return sum(work.flops for work in self.work)

    @property
    def hashing_seconds(self) -> float:
        """Seconds of hashing: a stage hashes everything that it reads, and artifacts that it writes to stay."""
        written = 0 if self.stored.temporary else self.stored.size
        return (self.reads + written) / HASH_RATE


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
    stored = {name: stored_of(counts, job) for name, job in pipeline.jobs.items()}
    costs = {}
    for name, job in pipeline.jobs.items():
        work, after = tuple(work_of(counts, shares, job)), tuple(pipeline.after(job))
        costs[name] = Cost(
            job=job,
            after=after,
            granted=pipeline.resources(job),
            group=_group(job) if work else PROCESSORS,
            work=work,
            most_gpus=_most_gpus(pipeline, job) if work else 0,
            processor_seconds=processor_seconds(counts, job),
            reads=sum(stored[before].size for before in after),
            stored=stored[name],
        )
    return costs


def tasks_of(costs: Mapping[str, Cost], machine: Machine, gpus: int, train_gpus: int | None = None) -> dict[str, Task]:
    """The jobs as tasks; each takes as many GPUs as it can use and the machine has.

    Args:
        costs: Costs from `costs_of`.
        machine: The machine.
        gpus: The machine's number of GPUs.
        train_gpus: The largest number of GPUs for a training job; None means as many as its batch allows.
    """
    return {name: _task(cost, machine, gpus, train_gpus) for name, cost in costs.items()}


def trains(costs: Mapping[str, Cost]) -> bool:
    """Whether any job trains a model."""
    return any(cost.job.rule == "train" for cost in costs.values())


def without_training(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """The jobs that remain if all checkpoints exist."""
    gone = {name for name, cost in costs.items() if cost.job.rule == "train"}
    # Datasets that only training reads are not needed; those that other jobs read as well remain.
    needed = {before for cost in costs.values() if cost.job.rule != "train" for before in cost.after}
    gone |= {name for name, cost in costs.items() if cost.job.rule == "prepare" and name not in needed}
    left = {name: cost for name, cost in costs.items() if name not in gone}
    return {
        name: replace(cost, after=tuple(before for before in cost.after if before in left))
        for name, cost in left.items()
    }


def _group(job: Job) -> str:
    match job.rule:
        case "train":
            return TRAININGS[job.sections["model"].kind]
        case "curve":
            return SAMPLING
        case "sample" | "sample_shard":
            return UPSAMPLING if job.sections["model"].kind == "upsampler" else SAMPLING
    return GROUPS[job.rule]


def _task(cost: Cost, machine: Machine, gpus: int, train_gpus: int | None) -> Task:
    width = min(cost.most_gpus, gpus)
    if cost.job.rule == "train" and train_gpus is not None:
        width = min(width, train_gpus)
    spread = machine.gpu_seconds(cost) / width if width else 0.0
    return Task(spread + cost.processor_seconds + cost.hashing_seconds, width, cost.after, cost.group)


def _most_gpus(pipeline: Pipeline, job: Job) -> int:
    if job.rule == "train":
        # Each GPU keeps a whole micro-batch, about as large as in the measurements of Table 7.
        accumulation: int = job.sections["model"].training.accumulation
        return accumulation
    granted = pipeline.resources(job)
    return granted.world_size if isinstance(granted, ProcessResources) else 1


def in_groups(costs: Mapping[str, Cost]) -> Iterator[tuple[str, list[Cost]]]:
    """Yield the groups that have jobs, with their jobs."""
    for group in (*ON_GPUS, PROCESSORS):
        if found := [cost for cost in costs.values() if cost.group == group]:
            yield group, found
