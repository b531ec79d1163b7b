"""What guides a run: how many of its steps, and by which checkpoint."""

import pytest

from adm.config.models import NoiseParams
from adm.diffusion.process import Diffusion
from adm.params.expansion import write_out
from adm.params.runs import RunParams

RUNNING = {"checkpoint": "c", "reference": "r", "num_samples": 8}


@pytest.mark.parametrize(
    ("steps", "interval", "guided"),
    [("10", None, 10), ("10", [0.0, 1.0], 10), ("1000", [0.2, 0.8], 601), ("ddim10", [0.25, 0.55], 3)],
)
def test_guided_steps_are_counted(steps, interval, guided):
    fields = {"cfg_scale": 2.0, "steps": steps, "guidance_interval": interval}
    assert RunParams.model_validate(RUNNING | fields).guided_steps(NoiseParams()) == guided


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", ["25", "ddim10", "logsnr12", "rho18"])
def test_guided_steps_are_those_that_the_process_visits_in_the_interval(schedule, steps):
    run = RunParams.model_validate(RUNNING | {"cfg_scale": 2.0, "steps": steps, "guidance_interval": [0.2, 0.6]})
    visited = Diffusion.from_schedule(schedule, 100, steps).original
    assert run.guided_steps(NoiseParams(timesteps=100, schedule=schedule)) == sum(20 <= t <= 60 for t in visited) > 0


def test_a_model_as_a_guide_means_its_last_checkpoint_and_scales_are_swept():
    data = {
        "models": {"big": {"checkpoints": [5, 10]}, "small": {"checkpoints": [3]}},
        "runs": {"auto": {"checkpoint": "big", "guide": {"checkpoint": "small"}, "sweep": {"guide.scale": [1.5, 2]}}},
    }
    runs = write_out(data, "results/x")["runs"]
    assert {key: (run["checkpoint"], run["guide"]) for key, run in runs.items()} == {
        "auto-1_5": ("big-10", {"checkpoint": "small-3", "scale": 1.5}),
        "auto-2": ("big-10", {"checkpoint": "small-3", "scale": 2}),
    }
