"""Schedules of jobs on GPUs: list scheduling, as in a cluster's queue, and lower bounds for any schedule."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Task:
    """A job in a schedule.

    Attributes:
        seconds: Its running time.
        gpus: The number of GPUs that it holds; 0 for a job on processors, of which there are always enough.
        after: The tasks that must end before it starts.
        group: Its group, which decides its colour.
    """

    seconds: float
    gpus: int
    after: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Placed:
    """The time and the GPUs of a task."""

    start: float
    end: float
    gpus: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """The times and GPUs of all tasks.

    Attributes:
        placed: Tasks by name, in the order of their starts.
        gpus: The number of GPUs.
    """

    placed: dict[str, Placed]
    gpus: int

    @property
    def makespan(self) -> float:
        """The end of the last task, in seconds."""
        return max((task.end for task in self.placed.values()), default=0.0)

    @property
    def busy(self) -> float:
        """The sum of all tasks' GPU-seconds."""
        return sum((task.end - task.start) * len(task.gpus) for task in self.placed.values())

    @property
    def utilisation(self) -> float:
        """The share of the GPUs' time until the last task ends in which a task holds them."""
        return self.busy / (self.gpus * self.makespan) if self.makespan else 0.0


def total_work(tasks: Mapping[str, Task]) -> float:
    """GPU-seconds of all tasks; divided by the number of GPUs, this is a lower bound for any schedule."""
    return sum(task.seconds * task.gpus for task in tasks.values())


def remaining(tasks: Mapping[str, Task]) -> dict[str, float]:
    """Seconds from each task's start to the end of the longest chain of tasks that begins with it."""
    followers = _followers(tasks)
    longest: dict[str, float] = {}
    order = TopologicalSorter({name: task.after for name, task in tasks.items()}).static_order()
    for name in reversed(list(order)):
        longest[name] = tasks[name].seconds + max((longest[after] for after in followers[name]), default=0.0)
    return longest


def critical_path(tasks: Mapping[str, Task]) -> list[str]:
    """The longest chain of tasks, in order; its length is a lower bound for any number of GPUs."""
    longest = remaining(tasks)
    followers, chain = _followers(tasks), []
    starts = list(tasks)
    while starts:
        chain.append(max(starts, key=longest.__getitem__))
        starts = followers[chain[-1]]
    return chain


def schedule(tasks: Mapping[str, Task], gpus: int) -> Schedule:
    """Schedule tasks: always start ready tasks that fit, the one with the longest remaining chain first.

    If a task needs more GPUs than are free, smaller tasks may start before it. No GPU is idle while a ready task fits.
    With tasks of at most w GPUs, the makespan is therefore at most critical path + total work / (gpus - w + 1).

    Args:
        tasks: Tasks by name.
        gpus: The number of GPUs, at least that of every task.

    Raises:
        ValueError: A task needs more GPUs.

    Source: Graham (1969), for w = 1.
    """
    widest = max((task.gpus for task in tasks.values()), default=0)
    if widest > gpus:
        raise ValueError(f"a task takes {widest} GPUs, but there are {gpus}")
    priority = {name: (-longest, name) for name, longest in remaining(tasks).items()}
    followers, waiting = _followers(tasks), {name: len(set(task.after)) for name, task in tasks.items()}
    ready = sorted((name for name, count in waiting.items() if not count), key=priority.__getitem__)
    free, now = list(range(gpus)), 0.0
    running: list[tuple[float, str]] = []
    placed: dict[str, Placed] = {}
    while ready or running:
        left = []
        for name in ready:
            width, end = tasks[name].gpus, now + tasks[name].seconds
            if width > len(free):
                left.append(name)
                continue
            placed[name], free = Placed(now, end, tuple(free[:width])), free[width:]
            heapq.heappush(running, (end, name))
        now = running[0][0]
        while running and running[0][0] == now:
            _, name = heapq.heappop(running)
            free = sorted([*free, *placed[name].gpus])
            for following in followers[name]:
                waiting[following] -= 1
                if not waiting[following]:
                    left.append(following)
        ready = sorted(left, key=priority.__getitem__)
    return Schedule(placed, gpus)


def _followers(tasks: Mapping[str, Task]) -> dict[str, list[str]]:
    """The tasks that wait for each task."""
    followers: dict[str, list[str]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        for before in dict.fromkeys(task.after):
            followers[before].append(name)
    return followers
