"""Limits to the size of a scale: the memory of single processes, and the hours of single jobs."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from adm.planning.costs import Cost, Machine, tasks_of
from adm.planning.devices import FLOPS_OF_A_THREAD, HASH_RATE
from adm.planning.images import ImageCounts
from adm.planning.processors import evaluation_flops, reading_seconds
from adm.planning.storage import FLOAT, features_of_run

TEN = 10
"""The factor of a larger scale in images, samples, runs and models."""

GIGABYTE, MEGABYTES_A_GIGABYTE, HOUR, MINUTES_AN_HOUR = 1e9, 1e3, 3600.0, 60.0


@dataclass(frozen=True)
class Limit:
    """A quantity that grows with a scale.

    Attributes:
        what: A description.
        job: The job with the largest value.
        unit: The unit of the values.
        granted: The job's limit in the params file; None if there is none.
        here: The value at this size.
        larger: The value at ten times the size.
    """

    what: str
    job: str
    unit: str
    granted: float | None
    here: float
    larger: float


def limits_of(counts: ImageCounts, costs: Mapping[str, Cost], machine: Machine) -> list[Limit]:
    """The largest memory and times of a scale's jobs.

    Args:
        counts: Numbers of images.
        costs: Costs of all jobs.
        machine: The machine.
    """
    found = [*_memory(counts, costs), *_hours(counts, costs, machine)]
    return [limit for limit in found if limit is not None]


def _memory(counts: ImageCounts, costs: Mapping[str, Cost]) -> Iterator[Limit | None]:
    """Bytes that a process holds at once and that grow with the number of images; all else is streamed, or mapped."""

    def row(what: str, rule: str, images: Callable[[Cost], int]) -> Limit | None:
        def held(cost: Cost) -> float:
            run = cost.job.sections["neighbours"].run if rule == "neighbours" else cost.job.key
            return images(cost) * FLOAT * features_of_run(counts.params, run)[0] / GIGABYTE

        largest = _largest(costs, what, (rule,), "GB", held)
        return largest and replace(largest, granted=costs[largest.job].granted.memory_mb / MEGABYTES_A_GIGABYTE)

    yield row(
        "neighbours: pooled features of the samples and of a dataset",
        "neighbours",
        lambda cost: counts.of_job(cost.job) + counts.params.scored[cost.job.sections["neighbours"].run].num_samples,
    )
    yield row(
        "evaluating: pooled features of the samples and of the reference",
        "evaluate",
        lambda cost: sum(_evaluated(counts, cost)),
    )


def _hours(counts: ImageCounts, costs: Mapping[str, Cost], machine: Machine) -> Iterator[Limit | None]:
    train_gpus = counts.params.resources.train.world_size
    tasks = tasks_of(costs, machine, max(cost.most_gpus for cost in costs.values()), train_gpus)

    def row(what: str, *rules: str, power: int = 1) -> Limit | None:
        largest = _largest(costs, what, rules, "hours", lambda cost: tasks[cost.job.name].seconds / HOUR, power)
        return largest and _within_minutes(largest, costs)

    yield row("one process prepares a dataset", "prepare")
    hashing = "hashing before the first update"
    yield _largest(costs, hashing, ("train",), "hours", lambda cost: cost.reads / HASH_RATE / HOUR)
    yield _decoding(counts, costs, machine, {name: task.gpus for name, task in tasks.items()})
    yield row("a segment of training", "train")
    yield row("a shard of a run", "sample_shard")
    yield row("a study on one GPU", "likelihood", "schedule", "interpolate", "vary", "curve")
    yield row("distances between all images", "neighbours", power=2)
    yield _evaluation(counts, costs)


def _decoding(
    counts: ImageCounts, costs: Mapping[str, Cost], machine: Machine, gpus: Mapping[str, int]
) -> Limit | None:
    """Cores that read images as fast as GPUs train on them, where files are stored; and the threads that do."""

    def cores(cost: Cost) -> float:
        read = cost.job.sections
        if read["dataset"].stored == "pixels":
            return 0.0
        updates: int = read["segment"].stop - counts.params.iteration_of(read["segment"].previous)
        seconds = machine.gpu_seconds(cost) / gpus[cost.job.name]
        images: int = updates * read["model"].training.batch_size
        return images * reading_seconds(read["dataset"]) / seconds

    largest = _largest(costs, "decoding as fast as GPUs train", ("train",), "cores", cores, power=0)
    return largest and replace(largest, granted=gpus[largest.job] * costs[largest.job].job.threads)


def _evaluation(counts: ImageCounts, costs: Mapping[str, Cost]) -> Limit | None:
    def hours(cost: Cost, times: int) -> float:
        samples, real = _evaluated(counts, cost)
        width, spatial, _ = features_of_run(counts.params, cost.job.key)
        flops = evaluation_flops(times * samples, times * real, width, spatial)
        return flops / (FLOPS_OF_A_THREAD * cost.job.threads) / HOUR

    what = "metrics, and their intervals"
    largest = _largest(costs, what, ("evaluate",), "hours", lambda cost: hours(cost, 1))
    return largest and replace(_within_minutes(largest, costs), larger=hours(costs[largest.job], TEN))


def _evaluated(counts: ImageCounts, cost: Cost) -> tuple[int, int]:
    """Numbers of samples and of reference images of an evaluation."""
    return counts.of_job(cost.job), counts.of_reference(cost.job.sections["run"].reference)


def _within_minutes(limit: Limit, costs: Mapping[str, Cost]) -> Limit:
    return replace(limit, granted=costs[limit.job].granted.minutes / MINUTES_AN_HOUR)


def _largest(
    costs: Mapping[str, Cost],
    what: str,
    rules: Collection[str],
    unit: str,
    amount: Callable[[Cost], float],
    power: int = 1,
) -> Limit | None:
    """The largest amount of a job of some rules, without a granted limit; None if no job has any."""
    amounts = {name: amount(cost) for name, cost in costs.items() if cost.job.rule in rules}
    job = max(amounts, key=amounts.__getitem__, default=None)
    if job is None or not amounts[job]:
        return None
    return Limit(what, job, unit, None, amounts[job], amounts[job] * TEN**power)
