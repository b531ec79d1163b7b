"""The timesteps that a run visits: those of its steps, or of a schedule that was found."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.arithmetic.respacing import respaced_timesteps
from adm.artifacts.archives import Shape
from adm.artifacts.manifest import read_manifest
from adm.artifacts.reading import read_npz
from adm.params.errors import UserError
from adm.params.runs import SamplingParams

FILE = "schedules.npz"

FOUND: dict[str, tuple[str, Shape]] = {"timesteps": ("int64", (None,)), "visited": ("bool", (None, None))}
"""What every artifact of schedules holds: G timesteps, and which of them each schedule visits, a schedule a row."""


def timesteps_of(run: SamplingParams, num_timesteps: int, schedule: Path | None) -> list[int]:
    """The timesteps that a run visits, increasing.

    Args:
        run: The run.
        num_timesteps: T of its model.
        schedule: The artifact of its schedule; None takes the timesteps of its steps.

    Raises:
        UserError: The artifact is missing, changed, or has no schedule of that many steps.
    """
    chosen = respaced_timesteps(num_timesteps, run.steps)
    if schedule is None:
        return chosen
    read_manifest(schedule, "schedule")
    found = read_npz(schedule / FILE, FOUND)
    visited: NDArray[np.bool_] = found["visited"]
    rows = np.flatnonzero(visited.sum(axis=1) == len(chosen))
    if visited.shape[1:] != found["timesteps"].shape or not len(rows):
        raise UserError(f"{schedule}: has no schedule of {len(chosen)} steps")
    return [int(t) for t in found["timesteps"][visited[rows[0]]]]
