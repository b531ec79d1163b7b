"""What every job of a params file costs, and the jobs as tasks of a schedule on some machine."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace

from adm.params.models import UniformModelParams
from adm.params.schema import Params
from adm.planning.devices import HASH_RATE, Device
from adm.planning.graph import Job, jobs_of
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
    "sample_shard": SAMPLING,
    "sample": SAMPLING,
    "upsample_shard": UPSAMPLING,
    "upsample": UPSAMPLING,
    "features": FEATURES,
    "dataset_features": FEATURES,
    "reference_features": FEATURES,
    "likelihood": STUDIES,
    "interpolate": STUDIES,
    "vary": STUDIES,
    "throughput": STUDIES,
}
"""What a job that an accelerator computes is counted and drawn as, by its rule; training goes by the kind of model."""


ON_GPUS = tuple(dict.fromkeys([*TRAININGS.values(), *GROUPS.values()]))
"""All groups of jobs that accelerators compute."""


@dataclass(frozen=True)
class Cost:
    """What a job takes, whatever computes it.

    Attributes:
        job: The job.
        group: One of those above.
        work: What accelerators compute.
        most_gpus: Over how many GPUs that can be spread; 0 where there is none.
        processor_seconds: How long processors compute.
        reads: Bytes of the artifacts that it reads.
        stored: What it writes.
    """

    job: Job
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


def costs_of(params: Params) -> dict[str, Cost]:
    """What each job takes, by its name.

    Args:
        params: The params file.

    Raises:
        UserError: Nobody knows how many images a dataset has.
    """
    shares, jobs = Shares.read(), jobs_of(params)
    stored = {name: stored_of(params, job) for name, job in jobs.items()}
    costs = {}
    for name, job in jobs.items():
        work = tuple(work_of(params, shares, job))
        costs[name] = Cost(
            job=job,
            group=_group(params, job) if work else PROCESSORS,
            work=work,
            most_gpus=_most_gpus(params, job) if work else 0,
            processor_seconds=processor_seconds(params, job),
            reads=sum(stored[before].size for before in job.after),
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
    needed = {before for cost in costs.values() if cost.job.rule != "train" for before in cost.job.after}
    gone |= {name for name, cost in costs.items() if cost.job.rule == "prepare" and name not in needed}
    left = {name: cost for name, cost in costs.items() if name not in gone}
    return {name: replace(cost, job=_waiting_for(cost.job, left)) for name, cost in left.items()}


def _waiting_for(job: Job, others: Container[str]) -> Job:
    return replace(job, after=tuple(before for before in job.after if before in others))


def _group(params: Params, job: Job) -> str:
    return TRAININGS[params.models[params.segments[job.key].model].kind] if job.rule == "train" else GROUPS[job.rule]


def _task(cost: Cost, machine: Machine, gpus: int, train_gpus: int | None) -> Task:
    width = min(cost.most_gpus, gpus)
    if cost.job.rule == "train" and train_gpus is not None:
        width = min(width, train_gpus)
    spread = machine.gpu_seconds(cost) / width if width else 0.0
    return Task(spread + cost.processor_seconds + cost.hashing_seconds, width, cost.job.after, cost.group)


def _most_gpus(params: Params, job: Job) -> int:
    match job.rule:
        case "train":
            model = params.models[params.segments[job.key].model]
            assert not isinstance(model, UniformModelParams)
            # Each GPU keeps a micro-batch, about what Table 7's share was measured with.
            return model.training.accumulation
        case "sample" | "sample_shard" | "upsample" | "upsample_shard":
            return params.resources.sample.processes
        case "features" | "dataset_features" | "reference_features":
            return params.resources.features.processes
    return 1


def in_groups(costs: Mapping[str, Cost]) -> Iterator[tuple[str, list[Cost]]]:
    """The groups that have a job, and their jobs."""
    for group in (*ON_GPUS, PROCESSORS):
        if found := [cost for cost in costs.values() if cost.group == group]:
            yield group, found
