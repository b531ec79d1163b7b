"""What every job of a params file costs, and the jobs as tasks of a schedule on some machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from adm.params.resources import JobResources, ProcessResources
from adm.pipeline import Job, Pipeline
from adm.planning.devices import HASH_RATE, Device
from adm.planning.images import ImageCounts
from adm.planning.processors import processor_seconds
from adm.planning.schedule import Task
from adm.planning.storage import Stored, stored_of
from adm.planning.work import Shares, Work, work_of

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
    "interpolate": STUDIES,
    "vary": STUDIES,
    "throughput": STUDIES,
}
"""What a job of accelerators is counted and drawn as, by its rule; those that train or sample go by their model."""

ON_GPUS = (*TRAININGS.values(), SAMPLING, UPSAMPLING, FEATURES, STUDIES)
"""All groups of jobs that accelerators compute."""


@dataclass(frozen=True)
class Cost:
    """What a job takes, whatever computes it.

    Attributes:
        job: The job.
        after: The names of the jobs whose artifacts it reads.
        granted: What the params file lets it take.
        group: One of those above.
        work: What accelerators compute.
        most_gpus: Over how many GPUs that can be spread; 0 where there is none.
        processor_seconds: How long processors compute.
        reads: Bytes of the artifacts that it reads.
        stored: What it writes.
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
        """Operations of accelerators."""
        return sum(work.flops for work in self.work)

    @property
    def hashing_seconds(self) -> float:
        """How long hashing takes: every stage hashes what it reads, and an artifact that stays when it is written."""
        written = 0 if self.stored.temporary else self.stored.size
        return (self.reads + written) / HASH_RATE


@dataclass(frozen=True)
class Machine:
    """What computes.

    Attributes:
        device: Every one of its GPUs.
        relative: The share of the device's peak that networks reach in half precision, as a multiple of that of a V100.
    """

    device: Device
    relative: float = 1.0

    def gpu_seconds(self, cost: Cost) -> float:
        """How long one of its GPUs computes for a job."""
        return sum(work.seconds(self.device, self.relative) for work in cost.work)


def costs_of(counts: ImageCounts) -> dict[str, Cost]:
    """What each job takes, by its name."""
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
    """The jobs as tasks, each over as many GPUs as it can be spread over and as there are.

    Args:
        costs: From `costs_of`.
        machine: What computes.
        gpus: How many GPUs there are.
        train_gpus: The most that a training job takes; as many as its batch allows when None.
    """
    return {name: _task(cost, machine, gpus, train_gpus) for name, cost in costs.items()}


def trains(costs: Mapping[str, Cost]) -> bool:
    """Whether any job trains a model."""
    return any(cost.job.rule == "train" for cost in costs.values())


def without_training(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """The jobs that are left when the checkpoints are there."""
    gone = {name for name, cost in costs.items() if cost.job.rule == "train"}
    # What training alone reads is made all the same where something else reads it, too.
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
        # Each GPU keeps a micro-batch, about what Table 7's share was measured with.
        accumulation: int = job.sections["model"].training.accumulation
        return accumulation
    granted = pipeline.resources(job)
    return granted.processes if isinstance(granted, ProcessResources) else 1


def in_groups(costs: Mapping[str, Cost]) -> Iterator[tuple[str, list[Cost]]]:
    """The groups that have a job, and their jobs."""
    for group in (*ON_GPUS, PROCESSORS):
        if found := [cost for cost in costs.values() if cost.group == group]:
            yield group, found
