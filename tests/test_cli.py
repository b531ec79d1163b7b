"""The command line: mistakes end in one line, failures leave no trace, and light verbs load no heavy libraries."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from adm import cli
from adm.params import load
from adm.params.errors import UserError
from adm.sampling.batch import write_batch, write_shard

HEAVY = ("torch", "tensorflow")


@pytest.fixture
def adm(monkeypatch, capsys):
    """Run a verb in this process; return the exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["adm", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return (stopped.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def params(root):
    return root / "params.yaml"


def everything_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


MISTAKES = {
    "missing params file": (
        "check --params {tmp}/none.yaml --out {tmp}/out",
        "none.yaml: cannot be read",
    ),
    "unknown dataset": (
        "prepare --params {params} --dataset cats --out {tmp}/out",
        "--dataset 'cats': is not in the params file, which has digits",
    ),
    "unknown model": (
        "init --params {params} --model gan --out {tmp}/out",
        "--model 'gan': is not in the params file, which has adm, classifier, unguided",
    ),
    "unknown table": (
        "table --params {params} --table table_99 --source {tmp} --out {tmp}/out",
        "--table 'table_99'",
    ),
    "missing metrics": (
        "table --params {params} --table table_8 --source {tmp} --out {tmp}/out",
        "through-250.json: does not exist",
    ),
    "missing shard": (
        "gather {tmp}/1.npz --params {params} --run scale-1 --checkpoint {tmp}/c --classifier {tmp}/k --out {tmp}/out",
        "1.npz: does not exist",
    ),
    "missing samples": (
        "figure --params {params} --figure figure_21 --source {tmp}/none --out {tmp}/out",
        "none: does not exist",
    ),
    "malformed shard": (
        "sample --params {params} --run scale-1 --checkpoint {tmp}/c --classifier {tmp}/k --out {tmp}/o --shard 5-of-4",
        "--shard '5-of-4': is no shard",
    ),
}


def filled_in(arguments, params, tmp_path):
    return arguments.format(params=params, tmp=tmp_path).split()


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_on_stderr_exit_code_2_and_no_output(adm, params, tmp_path, case):
    arguments, message = MISTAKES[case]
    code, out, err = adm(*filled_in(arguments, params, tmp_path))
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert message in err
    assert everything_in(tmp_path) == {}


def test_a_broken_params_file_is_a_mistake_too(adm, params, tmp_path):
    content = yaml.safe_load(params.read_text())
    content["models"]["adm"]["network"]["channels"] = 33
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(content))
    code, _, err = adm("check", "--params", broken, "--out", tmp_path / "out")
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.startswith(f"error: {broken}: models.adm.network: ")
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(params, root, tmp_path):
    arguments, message = MISTAKES["unknown dataset"]
    command = [sys.executable, "-m", "adm", "--debug", *filled_in(arguments, params, tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, check=False, env=environment, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "UserError" in done.stderr
    assert message in done.stderr


def test_what_the_system_refuses_is_one_line_too(adm, params, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, printed = adm("check", "--params", params, "--out", tmp_path / "file" / "out")
    assert code == 2
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert str(tmp_path / "file") in printed


@pytest.mark.parametrize(
    "arguments", [["prepare"], ["no-such-verb"], ["check", "--learning-rate", "1"], ["--nonsense"]]
)
def test_wrong_flags_exit_with_2_and_no_traceback(adm, arguments):
    code, _, err = adm(*arguments)
    assert code == 2
    assert "Traceback" not in err


def test_a_failing_stage_leaves_the_existing_output_untouched(adm, params, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert adm("prepare", "--params", params, "--dataset", "digits", "--out", out)[0] == 0
    before = everything_in(tmp_path)
    assert "out/manifest.json" in before

    def fail(folder, *rest):
        (folder / "half.npy").write_bytes(b"half")
        raise UserError("the disk is full")

    monkeypatch.setattr("adm.stages.prepare.write_shards", fail)
    code, _, err = adm("prepare", "--params", params, "--dataset", "digits", "--out", out)
    assert (code, err) == (2, "error: the disk is full\n")
    assert everything_in(tmp_path) == before


def test_a_verb_that_runs_again_writes_the_same_bytes(adm, params, tmp_path):
    for out in (tmp_path / "a", tmp_path / "b"):
        assert adm("prepare", "--params", params, "--dataset", "digits", "--out", out)[0] == 0
        assert adm("check", "--params", params, "--out", out / "code")[0] == 0
        assert adm("init", "--params", params, "--model", "adm", "--out", out / "model")[0] == 0
    assert everything_in(tmp_path / "a") == everything_in(tmp_path / "b")


@pytest.fixture(scope="module")
def inputs(params, tmp_path_factory):
    """Metrics of every run, samples of one, whole and in two shards, and files that stand for its parents."""
    folder = tmp_path_factory.mktemp("inputs")
    loaded = load(params)
    for number, key in enumerate(loaded.runs):
        metrics = {"fid": 9.0 - number / 3, "sfid": 12.0, "inception_score": 5.0, "precision": 0.5, "recall": 0.4}
        (folder / f"{key}.json").write_text(json.dumps({"metrics": metrics}))
    run = loaded.runs["scale-1"]
    images = np.random.default_rng(0).integers(0, 256, (run.num_samples, 8, 8, 3)).astype(np.uint8)
    labels = np.arange(run.num_samples) % 10
    parents = {"checkpoint": folder / "c", "classifier": folder / "k"}
    for name, path in parents.items():
        path.write_text(name)
    write_batch(folder / "samples", run, parents, images, labels)
    half = run.num_samples // run.micro_batch // 2 * run.micro_batch
    write_shard(folder / "1.npz", images[:half], labels[:half])
    write_shard(folder / "2.npz", images[half:], labels[half:])
    return folder


LIGHT = {
    "help": "--help",
    "help of a verb": "train --help",
    "check": "check --out {tmp}/out",
    "prepare": "prepare --dataset digits --out {tmp}/out",
    "table": "table --table table_8 --source {inputs} --out {tmp}/out",
    "figure of metrics": "figure --figure figure_6 --source {inputs} --out {tmp}/out",
    "figure of samples": "figure --figure figure_21 --source {inputs}/samples --out {tmp}/out",
    "gather": "gather {inputs}/1.npz {inputs}/2.npz --run scale-1 --checkpoint {inputs}/c --classifier {inputs}/k"
    " --out {tmp}/out",
}


@pytest.mark.parametrize("case", LIGHT)
def test_a_light_verb_loads_no_heavy_library(params, root, inputs, tmp_path, case):
    arguments = LIGHT[case].format(tmp=tmp_path, inputs=inputs).split()
    if "--help" not in arguments:
        arguments += ["--params", str(params)]
    script = (
        "import sys\nfrom adm.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stopped:\n    code = stopped.code\n"
        f"print('LOADED', code, *(name for name in {HEAVY} if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(root), "MPLCONFIGDIR": str(tmp_path)}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, check=True, env=environment, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "LOADED 0"


def test_gathered_shards_are_the_batch_that_sample_writes(adm, params, inputs, tmp_path):
    arguments = LIGHT["gather"].format(tmp=tmp_path, inputs=inputs).split()
    assert adm(*arguments, "--params", params)[0] == 0
    assert everything_in(tmp_path / "out") == everything_in(inputs / "samples")
