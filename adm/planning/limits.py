"""What grows until it breaks: the memory of single processes, and the hours of single jobs."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from adm.params.schema import Params
from adm.planning.costs import Cost, Machine, tasks_of
from adm.planning.devices import FLOPS_OF_A_THREAD, HASH_RATE
from adm.planning.images import images_of_job, images_of_reference
from adm.planning.processors import evaluation_flops
from adm.planning.storage import FLOAT, features_of_run

TEN = 10
"""How many times as many images, samples, runs and models."""

GIGABYTE, MEGABYTES_A_GIGABYTE, HOUR, MINUTES_AN_HOUR = 1e9, 1e3, 3600.0, 60.0


@dataclass(frozen=True)
class Limit:
    """Something that grows with a scale.

    Attributes:
        what: In words.
        job: The job of which there is most.
        unit: Of the numbers.
        granted: What the params file's `resources` grant the job; None where nothing does.
        here: At this size.
        larger: At ten times the size.
    """

    what: str
    job: str
    unit: str
    granted: float | None
    here: float
    larger: float


def limits_of(params: Params, costs: Mapping[str, Cost], machine: Machine) -> list[Limit]:
    """What the jobs of a scale hold and take at most.

    Args:
        params: The params file.
        costs: Of all its jobs.
        machine: What computes them.
    """
    found = [*_memory(params, costs), *_hours(params, costs, machine)]
    return [limit for limit in found if limit is not None]


def _memory(params: Params, costs: Mapping[str, Cost]) -> Iterator[Limit | None]:
    """Bytes that a process holds at once, linear in the number of images; few arrays, so interpreters count nothing."""
    granted = params.resources

    def sizes(names: Collection[str], *rules: str) -> int:
        return sum(costs[name].stored.size for name in names if costs[name].job.rule in rules)

    def row(what: str, rules: Collection[str], memory_mb: int, held: Callable[[Cost], float]) -> Limit | None:
        return _largest(costs, what, rules, "GB", memory_mb / MEGABYTES_A_GIGABYTE, lambda c: held(c) / GIGABYTE)

    batches = ("sample", "upsample", "sample_gan", "adopt_samples")
    shards = ("sample_shard", "upsample_shard")
    yield row("gathering shards: one of them", shards, granted.others.memory_mb, lambda c: c.stored.size)
    features = ("features", "dataset_features", "reference_features")
    yield row("features, and their parts", features, granted.features.memory_mb, lambda c: 2 * c.stored.size)
    yield row(
        "fitting a reference: a dataset's features",
        ("reference",),
        granted.others.memory_mb,
        lambda c: sizes(c.job.after, "dataset_features"),
    )
    yield row(
        "neighbours: a dataset's features, and the pooled ones again",
        ("neighbours",),
        granted.others.memory_mb,
        lambda c: (
            sizes(c.job.after, *features)
            + images_of_job(params, c.job) * FLOAT * features_of_run(params, params.neighbours[c.job.key].run)[0]
        ),
    )
    yield row(
        "evaluating: both sets' features, and the pooled ones again",
        ("evaluate",),
        granted.others.memory_mb,
        lambda c: (
            sizes(c.job.after, *features) + sum(_counts(params, c)) * FLOAT * features_of_run(params, c.job.key)[0]
        ),
    )
    yield row(
        "drawing: a batch of samples",
        ("figure",),
        granted.others.memory_mb,
        lambda c: max((costs[name].stored.size for name in c.job.after if costs[name].job.rule in batches), default=0),
    )
    yield row(
        "upsampling: the batch below",
        ("upsample", "upsample_shard"),
        granted.sample.memory_mb,
        lambda c: sizes(c.job.after, *batches),
    )


def _hours(params: Params, costs: Mapping[str, Cost], machine: Machine) -> Iterator[Limit | None]:
    tasks = tasks_of(costs, machine, max(cost.most_gpus for cost in costs.values()), params.resources.train.processes)
    granted = params.resources

    def row(
        what: str, rules: Collection[str], minutes: int | None, hours: Callable[[Cost], float], power: int = 1
    ) -> Limit | None:
        given = None if minutes is None else minutes / MINUTES_AN_HOUR
        return _largest(costs, what, rules, "hours", given, hours, power)

    def of_task(cost: Cost) -> float:
        return tasks[cost.job.name].seconds / HOUR

    yield row("one process prepares a dataset", ("prepare",), granted.others.minutes, of_task)
    yield row("hashing before the first update", ("train",), None, lambda c: c.reads / HASH_RATE / HOUR)
    yield row("a segment of training", ("train",), granted.train.minutes, of_task)
    yield row("a shard of a run", ("sample_shard", "upsample_shard"), granted.sample.minutes, of_task)
    yield row("a study on one GPU", ("likelihood", "interpolate", "vary"), granted.sample.minutes, of_task)
    yield row("distances between all images", ("neighbours",), granted.others.minutes, of_task, power=2)
    yield _evaluation(params, costs)


def _evaluation(params: Params, costs: Mapping[str, Cost]) -> Limit | None:
    def hours(cost: Cost, times: int) -> float:
        run, (samples, real) = params.scored[cost.job.key], _counts(params, cost)
        flops = evaluation_flops(
            times * samples, times * real, *features_of_run(params, cost.job.key)[:2], run.replicates
        )
        return flops / (FLOPS_OF_A_THREAD * run.threads) / HOUR

    given = params.resources.others.minutes / MINUTES_AN_HOUR
    largest = _largest(costs, "metrics, and their bootstrap", ("evaluate",), "hours", given, lambda c: hours(c, 1))
    if largest is None:
        return None
    return replace(largest, larger=hours(costs[largest.job], TEN))


def _counts(params: Params, cost: Cost) -> tuple[int, int]:
    """Samples and reference images of an evaluation."""
    run = params.scored[cost.job.key]
    return run.num_samples, images_of_reference(params, run.reference)


def _largest(
    costs: Mapping[str, Cost],
    what: str,
    rules: Collection[str],
    unit: str,
    granted: float | None,
    amount: Callable[[Cost], float],
    power: int = 1,
) -> Limit | None:
    """The job of some rules that takes most of something; None where no job takes any."""
    amounts = {name: amount(cost) for name, cost in costs.items() if cost.job.rule in rules}
    job = max(amounts, key=amounts.__getitem__, default=None)
    if job is None or not amounts[job]:
        return None
    return Limit(what, job, unit, granted, amounts[job], amounts[job] * TEN**power)
