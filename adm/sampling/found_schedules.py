"""Artifacts of schedules that are found: those with the least variational bound, and the winner of a search on FID."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adm.config.respacing import Rounds, family_member, family_size, respaced_timesteps
from adm.sampling.studies import Array, Study
from adm.sampling.timesteps import FILE


@dataclass(frozen=True, eq=False)
class VariationalSchedules(Study):
    """The schedules with the least bound, for 1 to G steps.

    Attributes:
        timesteps: (G,) int64, the timesteps that they are chosen from, increasing.
        visited: (G, G) bool, which of them the schedule of K steps visits, in row K - 1.
        bounds: (G,) float64, their bounds in bits per dimension.
        uniform: (G,) float64, the bounds of the uniform schedules "1" to "G" of the same timesteps.
    """

    timesteps: Annotated[NDArray[np.int64], Array("int64", (None,), "timesteps")]
    visited: Annotated[NDArray[np.bool_], Array("bool", (None, None), "timesteps")]
    bounds: Annotated[NDArray[np.float64], Array("float64", (None,), "timesteps")]
    uniform: Annotated[NDArray[np.float64], Array("float64", (None,), "timesteps")]

    stage = "schedule"
    file = FILE

    @property
    def facts(self) -> dict[str, Any]:
        """The number of timesteps, and the bound with all of them."""
        return {"num_timesteps": len(self.timesteps), "bits_per_dimension": float(self.bounds[-1])}


@dataclass(frozen=True, eq=False)
class SearchedSchedule(Study):
    """The winner of a search, and every score that it is chosen by.

    Attributes:
        timesteps: (K,) int64, the winner's timesteps, increasing.
        visited: (1, K) bool, all true.
        candidates: (E, sections) int64, the steps of each section of the schedule that was scored, in order of time.
        images: (E,) int64, the number of images of the score.
        fid: (E,) float64, their FID.
    """

    timesteps: Annotated[NDArray[np.int64], Array("int64", (None,), "timesteps")]
    visited: Annotated[NDArray[np.bool_], Array("bool", (None, None), "schedules")]
    candidates: Annotated[NDArray[np.int64], Array("int64", (None, None), "scores")]
    images: Annotated[NDArray[np.int64], Array("int64", (None,), "scores")]
    fid: Annotated[NDArray[np.float64], Array("float64", (None,), "scores")]

    stage = "schedule"
    file = FILE

    @property
    def facts(self) -> dict[str, Any]:
        """The winner, its FID by the search's own seeds, and the number of scores."""
        best = winner(trials := self.trials)
        return {"steps": best.steps, "fid": best.fid, "scores": len(trials)}

    @property
    def trials(self) -> list["Trial"]:
        """The scores."""
        each = zip(self.candidates.tolist(), self.images.tolist(), self.fid.tolist(), strict=True)
        return [Trial(",".join(map(str, steps)), images, fid) for steps, images, fid in each]


class Trial(NamedTuple):
    """A schedule's FID over a number of images."""

    steps: str
    images: int
    fid: float


def winner(trials: Sequence[Trial]) -> Trial:
    """Choose the trial with the least FID of those on the most images; the earliest of equals."""
    most = max(trial.images for trial in trials)
    return min((trial for trial in trials if trial.images == most), key=lambda trial: trial.fid)


def draw_members(seed: int, count: int, total: int, sections: int, most: int, known: Sequence[str] = ()) -> list[str]:
    """Choose different members of a family: the known ones, then others at random, each as likely as any.

    Args:
        seed: Of the choice.
        count: How many, the known ones included; at most `family_size`.
        total: The steps of each member.
        sections: The number of its sections.
        most: The most steps of a section.
        known: Members that are chosen in any case.

    Returns:
        Schedules "a,b,c,...".
    """
    ranks = np.random.default_rng(seed).choice(family_size(total, sections, most), count, replace=False)
    drawn = (",".join(map(str, family_member(int(rank), total, sections, most))) for rank in ranks)
    return list(dict.fromkeys([*known, *drawn]))[:count]


def halving(candidates: Sequence[str], rounds: Rounds, score: Callable[[str, int], float]) -> list[Trial]:
    """Score candidates round by round; the best of each round take part in the next.

    Args:
        candidates: Schedules.
        rounds: How many take part in each round, and on how many images; see `rounds_of`.
        score: The FID of a schedule over a number of images.

    Returns:
        Every trial, in order of time.
    """
    trials: list[Trial] = []
    left = list(candidates)
    for count, images in rounds:
        left = left[:count]
        found = [Trial(steps, images, score(steps, images)) for steps in left]
        trials += found
        left = [trial.steps for trial in sorted(found, key=lambda trial: trial.fid)]
    return trials


def searched(trials: Sequence[Trial], num_timesteps: int) -> SearchedSchedule:
    """Make the artifact of a search over schedules of `num_timesteps` timesteps."""
    chosen = respaced_timesteps(num_timesteps, winner(trials).steps)
    return SearchedSchedule(
        timesteps=np.array(chosen),
        visited=np.ones((1, len(chosen)), bool),
        candidates=np.array([[int(part) for part in trial.steps.split(",")] for trial in trials]),
        images=np.array([trial.images for trial in trials]),
        fid=np.array([trial.fid for trial in trials]),
    )
