"""List scheduling: by hand on a few tasks, and by the bounds that hold for any."""

import itertools

import numpy as np
import pytest

from adm.planning.schedule import Task, critical_path, remaining, schedule, total_work

DIAMOND = {
    "data": Task(1.0, 0),
    "long": Task(4.0, 1, ("data",)),
    "short": Task(2.5, 1, ("data",)),
    "other": Task(3.0, 1, ("data",)),
    "wide": Task(1.0, 2, ("short", "long")),
    "table": Task(0.5, 0, ("wide", "other")),
}
"""On two GPUs: long and short from 1, other after short, at 3.5, wide when other leaves it room, at 6.5."""


def test_a_few_tasks_by_hand():
    found = schedule(DIAMOND, 2)
    starts = {name: placed.start for name, placed in found.placed.items()}
    assert starts == {"data": 0.0, "long": 1.0, "other": 3.5, "short": 1.0, "wide": 6.5, "table": 7.5}
    assert found.makespan == 8.0
    assert found.busy == total_work(DIAMOND) == 4 + 2.5 + 3 + 2
    assert found.utilisation == pytest.approx(11.5 / 16)


def test_the_longest_chain_by_hand():
    assert critical_path(DIAMOND) == ["data", "long", "wide", "table"]
    assert remaining(DIAMOND) == {"data": 6.5, "long": 5.5, "short": 4.0, "other": 3.5, "wide": 1.5, "table": 0.5}


def test_on_enough_gpus_the_longest_chain_is_the_whole():
    assert schedule(DIAMOND, 3).makespan == 6.5


def test_independent_tasks_on_one_gpu_go_one_after_the_other():
    tasks = {str(n): Task(float(n), 1) for n in range(1, 6)}
    found = schedule(tasks, 1)
    assert found.makespan == 15.0
    assert found.utilisation == 1.0


def test_a_narrow_task_passes_a_wide_one_that_does_not_fit():
    tasks = {"first": Task(9.0, 1), "wide": Task(5.0, 2), "narrow": Task(2.0, 1)}
    placed = schedule(tasks, 2).placed
    assert (placed["first"].start, placed["narrow"].start, placed["wide"].start) == (0.0, 0.0, 9.0)


def test_a_task_that_is_wider_than_the_machine_is_refused():
    with pytest.raises(ValueError, match="takes 2 GPUs, but there are 1"):
        schedule(DIAMOND, 1)


def test_nothing_takes_no_time():
    assert schedule({}, 4).makespan == 0.0
    assert schedule({}, 4).utilisation == 0.0
    assert critical_path({}) == []


def random_tasks(rng, widest):
    tasks = {}
    for number in range(rng.integers(1, 40)):
        before = [name for name in tasks if rng.random() < 0.15]
        tasks[f"t{number}"] = Task(float(rng.exponential(3.0)), int(rng.integers(0, widest + 1)), tuple(before))
    return tasks


@pytest.mark.parametrize("seed", range(60))
def test_what_holds_for_every_schedule(seed):
    rng = np.random.default_rng(seed)
    widest = int(rng.integers(1, 5))
    gpus = widest + int(rng.integers(0, 6))
    tasks = random_tasks(rng, widest)
    found = schedule(tasks, gpus)

    assert found.placed.keys() == tasks.keys()
    for name, placed in found.placed.items():
        assert placed.end - placed.start == pytest.approx(tasks[name].seconds)
        assert len(set(placed.gpus)) == tasks[name].gpus
        assert all(0 <= gpu < gpus for gpu in placed.gpus)
        assert all(found.placed[before].end <= placed.start for before in tasks[name].after)
    for gpu in range(gpus):
        held = sorted((placed.start, placed.end) for placed in found.placed.values() if gpu in placed.gpus)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(held))

    chain, work = sum(tasks[name].seconds for name in critical_path(tasks)), total_work(tasks)
    assert found.busy == pytest.approx(work)
    assert chain == pytest.approx(max(remaining(tasks).values()))
    assert found.makespan >= max(chain, work / gpus) * (1 - 1e-12)
    assert found.makespan <= (chain + work / (gpus - widest + 1)) * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_grahams_bound_where_tasks_take_one_gpu(seed):
    rng = np.random.default_rng(seed)
    tasks, gpus = random_tasks(rng, 1), int(rng.integers(1, 8))
    longest = max(remaining(tasks).values())
    assert schedule(tasks, gpus).makespan <= (longest + total_work(tasks) / gpus) * (1 + 1e-12)


def test_the_order_of_the_tasks_decides_nothing():
    rng = np.random.default_rng(0)
    tasks = random_tasks(rng, 3)
    shuffled = {name: tasks[name] for name in rng.permutation(list(tasks))}
    assert schedule(shuffled, 4).placed == schedule(tasks, 4).placed
