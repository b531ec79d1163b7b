"""Limits to the size of a scale: the memory of single processes, and the hours of single jobs."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from adm.planning.costs import Cost, Machine, tasks_of
from adm.planning.devices import FLOPS_OF_A_THREAD, HASH_RATE
from adm.planning.images import ImageCounts
from adm.planning.processors import evaluation_flops
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
        granted: The job's limit in the params file's `resources`; None if there is none.
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
    """Bytes that a process holds at once, linear in the number of images; the interpreter itself is not counted."""

    def sizes(cost: Cost, *rules: str) -> list[int]:
        """Bytes of the artifacts that a job reads from jobs of some rules."""
        return [costs[name].stored.size for name in cost.after if costs[name].job.rule in rules]

    def pooled(run: str, images: int) -> int:
        return images * FLOAT * features_of_run(counts.params, run)[0]

    def neighbours(cost: Cost) -> int:
        return sum(sizes(cost, *features)) + pooled(cost.job.sections["neighbours"].run, counts.of_job(cost.job))

    def evaluation(cost: Cost) -> int:
        return sum(sizes(cost, *features)) + pooled(cost.job.key, sum(_evaluated(counts, cost)))

    def row(what: str, rules: Collection[str], held: Callable[[Cost], float]) -> Limit | None:
        largest = _largest(costs, what, rules, "GB", lambda cost: held(cost) / GIGABYTE)
        return largest and replace(largest, granted=costs[largest.job].granted.memory_mb / MEGABYTES_A_GIGABYTE)

    features = ("features", "dataset_features", "reference_features")
    batches = ("sample", "gather", "sample_gan", "adopt_samples")
    yield row("gathering shards: one of them", ("gather",), lambda c: max(sizes(c, "sample_shard")))
    yield row("features, and their parts", features, lambda c: 2 * c.stored.size)
    yield row("fitting a reference: a dataset's features", ("reference",), lambda c: sum(sizes(c, *features)))
    yield row("neighbours: a dataset's features, and the pooled ones again", ("neighbours",), neighbours)
    yield row("evaluating: both sets' features, and the pooled ones again", ("evaluate",), evaluation)
    yield row("drawing: a batch of samples", ("figure",), lambda c: max(sizes(c, *batches), default=0))
    yield row("upsampling: the batch below", ("sample", "sample_shard"), lambda c: sum(sizes(c, *batches)))


def _hours(counts: ImageCounts, costs: Mapping[str, Cost], machine: Machine) -> Iterator[Limit | None]:
    train_gpus = counts.params.resources.train.world_size
    tasks = tasks_of(costs, machine, max(cost.most_gpus for cost in costs.values()), train_gpus)

    def row(what: str, *rules: str, power: int = 1) -> Limit | None:
        largest = _largest(costs, what, rules, "hours", lambda cost: tasks[cost.job.name].seconds / HOUR, power)
        return largest and _within_minutes(largest, costs)

    yield row("one process prepares a dataset", "prepare")
    hashing = "hashing before the first update"
    yield _largest(costs, hashing, ("train",), "hours", lambda cost: cost.reads / HASH_RATE / HOUR)
    yield row("a segment of training", "train")
    yield row("a shard of a run", "sample_shard")
    yield row("a study on one GPU", "likelihood", "interpolate", "vary")
    yield row("distances between all images", "neighbours", power=2)
    yield _evaluation(counts, costs)


def _evaluation(counts: ImageCounts, costs: Mapping[str, Cost]) -> Limit | None:
    def hours(cost: Cost, times: int) -> float:
        run, (samples, real) = cost.job.sections["run"], _evaluated(counts, cost)
        width, spatial, _ = features_of_run(counts.params, cost.job.key)
        flops = evaluation_flops(times * samples, times * real, width, spatial, run.replicates)
        return flops / (FLOPS_OF_A_THREAD * cost.job.threads) / HOUR

    what = "metrics, and their bootstrap"
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
