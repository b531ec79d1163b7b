"""Throughput is measured on steps that train, and written as it was measured; no number of it is asserted."""

import pytest
import torch
from making import make

from adm.artifacts.reading import read_json
from adm.determinism import generator
from adm.nets.cost import network_cost
from adm.params.runs import ThroughputParams
from adm.stages import throughput as stage
from adm.training import throughput as timing
from adm.training.inputs import Noise
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from adm.training.throughput import NaiveTraining


@pytest.fixture(autouse=True)
def _small_matrices(monkeypatch):
    monkeypatch.setitem(timing.MATRIX_SIDES, "cpu", 64)


@pytest.fixture(autouse=True)
def _settings_of_the_process():
    yield
    torch.use_deterministic_algorithms(False)


def section(**changes):
    values = {
        "model": "tiny",
        "naive_batch": 2,
        "optimised_batch": 6,
        "precision": "bfloat16",
        "steps": 2,
        "repetitions": 3,
        "threads": 1,
    }
    return ThroughputParams.model_validate(values | changes)


@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_the_stage_writes_what_it_measured(tiny_model, tmp_path, kind):
    throughput, model = section(), tiny_model(kind)
    make(stage, throughput, model, tmp_path / "throughput.json")
    written = read_json(tmp_path / "throughput.json")
    for name, batch in (("naive", 2), ("optimised", 6)):
        assert (written[name]["batch_size"], written[name]["precision"]) == (batch, "bfloat16")
        assert len(written[name]["images_per_second"]) == 3
        assert min(written[name]["images_per_second"]) > 0
    peaks = written["peak_flops_of_repetitions"]
    assert len(peaks) == 3
    assert written["peak_flops"] == max(peaks) >= min(peaks) > 0
    assert written["forward_flops"] == network_cost(model).flops


def test_the_naive_step_is_the_update_of_training(randomised, tiny_model):
    # In float64, since Adam divides gradients that are zero but for rounding by their own size.
    model = tiny_model(batch_size=4, ema_rate=0.9, weight_decay=0.01)
    naive = NaiveTraining(randomised(model).double(), model)
    state = TrainingState(randomised(model).double(), build_task(model), model.training)
    x_0 = torch.rand(4, 3, 8, 8, generator=generator(1)) * 2 - 1
    y = torch.arange(4) % 2
    for step in range(3):
        naive.step(x_0, y, Noise.of(model.training.seed, step, range(4), (3, 8, 8), model.noise.timesteps))
        train_step(state, model.training, x_0, y)
    torch.testing.assert_close(naive.network.state_dict(), state.network.state_dict(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(dict(naive.average.state_dict()), state.ema, rtol=1e-5, atol=1e-7)


def test_a_model_trained_by_micro_batches_is_timed_at_the_batch_asked_for(tiny_model):
    timings = timing.measure(section(optimised_batch=5, repetitions=1), tiny_model(accumulation=3))
    assert timings["optimised"][0] > 0


def test_an_update_of_some_images_tells_that_of_all_with_one_step_of_the_optimiser(tiny_model, monkeypatch):
    def rate(work, times, device):
        work()
        of_optimizer, of_image = 2.0, 3.0
        return 1 / (of_optimizer if hasattr(work, "__self__") else of_optimizer + 2 * of_image)

    monkeypatch.setattr(timing, "_rate", rate)
    for optimizer in ("adamw", "muon"):
        model = tiny_model(batch_size=8, optimizer=optimizer)
        assert timing.update_seconds(model, "cpu", 1.0, images=2) == pytest.approx(2 + 8 * 3)


def test_measuring_leaves_the_global_generator_alone(tiny_model):
    before = torch.get_rng_state()
    timing.measure(section(steps=1, repetitions=1), tiny_model(dropout=0.1))
    assert torch.equal(torch.get_rng_state(), before)
