"""What a saved state holds, and which ones are refused."""

import json

import pytest
from making import refusal_of
from safetensors.torch import load_file, save_file

from adm.errors import UserError
from adm.training.rolling import LOG, newest, rolling_folder, save_rolling


@pytest.fixture
def saved(new_run, tiny_model, tmp_path):
    """A run of two steps, and the folder of its state."""
    run = new_run(tiny_model())
    run.to(2)
    folder = tmp_path / "saved"
    run.files(folder)
    return run, folder


@pytest.mark.parametrize("steps", [0, 2])
def test_saving_what_was_loaded_gives_the_same_bytes(new_run, tiny_model, tmp_path, steps):
    run, other = (new_run(tiny_model()) for _ in range(2))
    run.to(steps)
    files = run.files(tmp_path / "saved")
    assert (files["ema.safetensors"] == files["network.safetensors"]) == (steps == 0)
    other.state.load(tmp_path / "saved")
    assert other.files(tmp_path / "again") == files


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"channels": 64}, "time_embedding.first.weight is float32 (128, 32), not float32 (256, 64)"),
        ({"depth": 2}, "is missing, not float32"),
        ({"num_classes": None}, "class_embedding.weight is float32 (2, 128), not expected"),
        ({"variance": "beta"}, "output.2.weight is float32 (6, 32, 3, 3), not float32 (3, 32, 3, 3)"),
    ],
)
def test_a_state_of_another_architecture_is_refused_with_the_file_and_the_first_tensors(
    saved, new_run, tiny_model, change, first
):
    objective = {"objective": "simple"} if "variance" in change else {}
    message = refusal_of(new_run(tiny_model(**change, **objective)).state.load, saved[1])
    assert message.startswith(f"{saved[1] / 'network.safetensors'}: ")
    assert "another architecture" in message
    assert first in message
    assert message.count(";") <= 3


@pytest.mark.parametrize("name", ["network.safetensors", "ema.safetensors", "optimizer.safetensors", "progress.json"])
def test_a_damaged_or_missing_file_is_named(saved, name):
    run, folder = saved
    path = folder / name
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b""):
        path.write_bytes(damaged)
        assert refusal_of(run.state.load, folder).startswith(f"{path}: is no readable ")
    path.unlink()
    assert refusal_of(run.state.load, folder) == f"{path}: does not exist"


def test_the_loss_scale_is_of_float16_alone(new_run, tiny_model, tmp_path):
    run, other = (new_run(tiny_model(precision=precision)) for precision in ("float16", "float32"))
    run.to(1)
    run.files(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "progress.json").read_text())["log2_loss_scale"] == run.state.scale.log2 > 1
    other.state.load(tmp_path / "saved")
    assert other.state.scale.factor == 1


def test_weights_that_are_not_finite_are_refused(saved, new_run, tiny_model):
    run, folder = saved
    tensors = load_file(folder / "network.safetensors")
    name = next(iter(tensors))
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, folder / "network.safetensors")
    assert f"network.safetensors: {name} holds NaN" in refusal_of(new_run(run.model).state.load, folder)


def begun(folder):
    """What training begins with in the folder of its rolling states."""
    folder.mkdir()
    (folder / LOG).write_text("step,seconds\n")


def test_the_newest_whole_rolling_state_counts(new_run, tiny_model, tmp_path):
    state = new_run(tiny_model()).state
    begun(tmp_path / "rolling")
    assert newest(tmp_path / "rolling") is None
    for step in (5, 10, 15):
        state.step = step
        save_rolling(state, tmp_path / "rolling")
    (tmp_path / "rolling" / ".step-000000020.partial-1").mkdir()
    assert newest(tmp_path / "rolling") == tmp_path / "rolling" / "step-000000015"
    # The one before stays, lest the disk damage the last.
    assert sorted(path.name for path in (tmp_path / "rolling").glob("step-*")) == ["step-000000010", "step-000000015"]


def test_a_segment_is_trained_by_one_process_at_a_time(tmp_path):
    with rolling_folder(tmp_path, {"seed": 1}) as rolling:
        begun(rolling)
        with pytest.raises(UserError, match="another process holds it"), rolling_folder(tmp_path, {"seed": 1}):
            pass
        with rolling_folder(tmp_path, {"seed": 2}) as other:
            assert other != rolling
            begun(other)
            (other / "step-000000005").mkdir()
        # It has ended: of its own the last state stays, and of others what has not.
        assert [path.name for path in other.iterdir()] == ["step-000000005"]
        assert (rolling / LOG).exists()
        (rolling / "step-000000007").mkdir()
    assert not other.exists()
    assert [path.name for path in rolling.iterdir()] == ["step-000000007"]
