"""The timesteps that a run visits: those of its steps, or of a schedule that was found."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import read_manifest
from adm.artifacts.reading import read_npz
from adm.config.models import NoiseParams
from adm.config.respacing import number_of_steps
from adm.config.sampling import Sampling
from adm.errors import UserError

FILE = "schedules.npz"


def timesteps_of(run: Sampling, noise: NoiseParams, schedule: Path | None) -> list[int]:
    """List the timesteps that a run visits, increasing.

    Args:
        run: The run.
        noise: The noise that its model is trained on.
        schedule: The artifact of its schedule; None takes the timesteps of its steps.

    Raises:
        UserError: The artifact is missing, changed, or has no schedule of that many steps.
    """
    if schedule is None:
        from adm.diffusion.process import Diffusion  # noqa: PLC0415 -- figures of found schedules need no torch

        process = Diffusion.from_schedule(noise.schedule, noise.timesteps, run.steps)
        return [int(t) for t in process.timesteps]
    count = number_of_steps(noise.timesteps, run.steps)
    read_manifest(schedule, "schedule")
    found = read_npz(schedule / FILE, {"timesteps": ("int64", (None,)), "visited": ("bool", (None, None))})
    visited: NDArray[np.bool_] = found["visited"]
    rows = np.flatnonzero(visited.sum(axis=1) == count)
    if visited.shape[1:] != found["timesteps"].shape or not len(rows):
        raise UserError(f"{schedule}: has no schedule of {count} steps")
    return [int(t) for t in found["timesteps"][visited[rows[0]]]]
