"""Artifacts of schedules that are found: those with the least variational bound, and the winner of a search on FID.

They tell which timesteps a run visits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import read_manifest
from adm.artifacts.reading import read_npz
from adm.config.models import NoiseParams
from adm.config.respacing import Rounds, family_member, family_size, number_of_steps, respaced_timesteps
from adm.config.sampling import Sampling
from adm.errors import UserError
from adm.sampling.studies import Study

FILE = "schedules.npz"


@dataclass(frozen=True, eq=False)
class VariationalSchedules(Study):
    """The schedules with the least bound, for 1 to G steps.

    Attributes:
        timesteps: (G,) int64, the timesteps that they are chosen from, increasing.
        visited: (G, G) bool, which of them the schedule of K steps visits, in row K - 1.
        bounds: (G,) float64, their bounds in bits per dimension.
        uniform: (G,) float64, the bounds of the uniform schedules "1" to "G" of the same timesteps.
    """

    timesteps: Annotated[NDArray[np.int64], "timesteps"]
    visited: Annotated[NDArray[np.bool_], "timesteps _"]
    bounds: Annotated[NDArray[np.float64], "timesteps"]
    uniform: Annotated[NDArray[np.float64], "timesteps"]

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

    timesteps: Annotated[NDArray[np.int64], "timesteps"]
    visited: Annotated[NDArray[np.bool_], "schedules _"]
    candidates: Annotated[NDArray[np.int64], "scores _"]
    images: Annotated[NDArray[np.int64], "scores"]
    fid: Annotated[NDArray[np.float64], "scores"]

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
    """Choose `count` different members of a family: the known ones, then others at random, each as likely as any.

    Members are schedules "a,b,c,..." of `total` steps in `sections` sections, of at most `most` steps each. There are
    no more than `family_size` of them.
    """
    ranks = np.random.default_rng(seed).choice(family_size(total, sections, most), count, replace=False)
    drawn = (",".join(map(str, family_member(int(rank), total, sections, most))) for rank in ranks)
    return list(dict.fromkeys([*known, *drawn]))[:count]


def halving(candidates: Sequence[str], rounds: Rounds, score: Callable[[str, int], float]) -> list[Trial]:
    """Score schedules round by round, and return every trial in order of time; the best of a round are in the next.

    `rounds` are those of `rounds_of`. `score` gives the FID of a schedule over a number of images.
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


def timesteps_of(run: Sampling, noise: NoiseParams, schedule: Path | None) -> list[int]:
    """List the timesteps that a run visits, increasing: those of the artifact of its schedule, or of its steps.

    Raises:
        UserError: The artifact is missing, changed, or has no schedule of that many steps.
    """
    if schedule is None:
        from adm.diffusion.process import Diffusion  # noqa: PLC0415 -- figures of found schedules need no torch

        process = Diffusion.from_schedule(noise.schedule, noise.timesteps, run.steps)
        return [int(t) for t in process.timesteps]
    count = number_of_steps(noise.timesteps, run.steps)
    read_manifest(schedule)
    found = read_npz(schedule / FILE, {"timesteps": ("int64", (None,)), "visited": ("bool", (None, None))})
    visited: NDArray[np.bool_] = found["visited"]
    rows = np.flatnonzero(visited.sum(axis=1) == count)
    if visited.shape[1:] != found["timesteps"].shape or not len(rows):
        raise UserError(f"{schedule}: has no schedule of {count} steps")
    return [int(t) for t in found["timesteps"][visited[rows[0]]]]
