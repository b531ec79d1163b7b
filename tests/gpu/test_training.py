"""Training on a GPU: the same bytes after an interruption, the losses of a CPU, and gradients in float16."""

import warnings

import pytest
import torch

from adm.parallel import CPU
from adm.training.inputs import inputs

PRECISIONS = ["float32", "tf32", "bfloat16", "float16"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_a_resumed_run_ends_in_the_very_same_bytes(gpu, new_run, tiny_model, tmp_path, kind, precision):
    model = tiny_model(kind, dropout=0.3, precision=precision, attention_resolutions=[8])
    straight, first, resumed = (new_run(model, device=gpu) for _ in range(3))
    straight.to(6)
    first.to(3)
    first.files(tmp_path / "cut")
    resumed.state.load(tmp_path / "cut")
    resumed.to(6)
    assert resumed.files(tmp_path / "resumed") == straight.files(tmp_path / "straight")


@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_the_first_steps_are_those_of_a_cpu_to_rounding(gpu, new_run, tiny_model, randomised, kind):
    model = tiny_model(kind, attention_resolutions=[8])
    ours, theirs = (new_run(model, randomised(model), device).to(2) for device in (gpu, CPU))
    for here, there in zip(ours, theirs, strict=True):
        assert here.values == pytest.approx(there.values, rel=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_model_learns_in_half_precision(gpu, new_run, tiny_model, precision):
    run = new_run(tiny_model(learning_rate=3e-3, precision=precision), device=gpu)
    values = [report.values["mse"] for report in run.to(60)]
    assert sum(values[-15:]) < 0.6 * sum(values[:15])


def test_a_step_waits_for_the_gpu_once(gpu, new_run, tiny_model):
    run = new_run(tiny_model(precision="float16", accumulation=3), device=gpu)
    run.to(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run.to(5)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert len([warning for warning in caught if "synchronizing" in str(warning.message)]) == 2


def test_inputs_that_were_made_ahead_are_those_of_a_cpu(gpu, new_run, tiny_model):
    batches = new_run(tiny_model()).batches
    made = {device: list(inputs(batches, range(5), range(2, 9), device, 4, 1000)) for device in (gpu, CPU)}
    for here, there in zip(made[gpu], made[CPU], strict=True):
        for a, b in zip((here.x_0, here.y, *here.noise), (there.x_0, there.y, *there.noise), strict=True):
            assert a.device == gpu
            assert torch.equal(a.cpu(), b)
