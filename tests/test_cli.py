"""The command line: mistakes end in one line, failures leave no trace, and light verbs load no heavy libraries."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from adm import cli
from adm.artifacts.code import verbs
from adm.artifacts.manifest import dump_sections, fingerprint, provenance
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.params import load
from adm.params.errors import UserError
from adm.report.metrics import METRICS
from adm.sampling.batch import Block, write_batch, write_shard
from adm.sampling.blocks import Shard

HEAVY = ("torch", "tensorflow")


PAPER = Path(__file__).parents[1] / "workflow" / "paper"


@pytest.fixture(scope="session")
def params(root, tmp_path_factory):
    """A params file in a folder of its own, where verbs keep their journals."""
    return Path(shutil.copy(root / "params.yaml", tmp_path_factory.mktemp("project")))


def everything_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


SAMPLE = "sample --params {params} --checkpoint {tmp}/c --out {tmp}/out"
FIGURE = "figure --params {params} --paper {paper} --out {tmp}/out"
TABLE = "table --params {params} --paper {paper} --out {tmp}/out"
MISTAKES = {
    "missing params file": (
        "check --params {tmp}/none.yaml --out {tmp}/out",
        "none.yaml: cannot be read",
    ),
    "unknown dataset": (
        "prepare --params {params} --dataset cats --out {tmp}/out",
        "--dataset 'cats': is not in the params file; there are digits, digits-64, bedroom",
    ),
    "unknown model": (
        "init --params {params} --model adm-129 --out {tmp}/out",
        "--model 'adm-129': is not in the params file; of the 18 there are, nearest are adm-128",
    ),
    "unknown segment": (
        "train --params {params} --segment adm-128-251 --data {tmp}/d --previous {tmp}/p --out {tmp}/out --work {tmp}/w"
        " --log {tmp}/l.csv",
        "--segment 'adm-128-251': is not in the params file; of the ",
    ),
    "unknown run": (SAMPLE + " --run scale-9 --classifier {tmp}/k", "--run 'scale-9': is not in the params file"),
    "gan run, sampled as another": (SAMPLE + " --run gan-1 --classifier {tmp}/k", "--run 'gan-1': is not in the"),
    "run, sampled as a gan's": (
        "sample-gan --params {params} --run scale-2 --gan {tmp}/g --out {tmp}/out",
        "--run 'scale-2': is not in the params file; of the ",
    ),
    "unknown gan": ("train-gan --params {params} --gan big --data {tmp}/d --out {tmp}/out", "--gan 'big'"),
    "unknown study": (
        "vary --params {params} --study neighbours-ddim --checkpoint {tmp}/c --classifier {tmp}/k --out {tmp}/out",
        "--study 'neighbours-ddim': is not in the params file; there are variation-256",
    ),
    "unknown likelihood": (
        "likelihood --params {params} --study variation-256 --checkpoint {tmp}/c --data {tmp}/d --out {tmp}/out",
        "--study 'variation-256': is not in the params file; there are likelihood-250, likelihood-4360",
    ),
    "likelihood of no checkpoint": (
        "likelihood --params {params} --study likelihood-250 --checkpoint {tmp}/c --data {tmp}/d --out {tmp}/out",
        "c: does not exist",
    ),
    "likelihoods left out": (FIGURE + " --figure likelihood", "--studies: is missing; this figure needs it"),
    "missing likelihood": (FIGURE + " --figure likelihood --studies {tmp}", "likelihood-250: does not exist"),
    "unknown throughput": ("throughput --params {params} --key adm-64 --out {tmp}/out", "--key 'adm-64'"),
    "nothing published": (
        "fetch --params {params} --kind graphs --key inception --out {tmp}/out",
        "--key 'inception': is not in the params file; there are none",
    ),
    "no file of that name": ("fetch incept", "'incept': is no file that is known by name; there are inception"),
    "nothing to fetch": ("fetch --out {tmp}/out", "fetch: needs a name, such as 'inception', or --params"),
    "a well-known file of a params file": (
        "fetch inception --params {params}",
        "'inception': needs no --params, --kind or --key, which name a file of the params file",
    ),
    "unknown table": (TABLE + " --table table_99", "--table 'table_99'"),
    "unknown figure": (
        "figure --params {params} --paper {paper} --figure figure_4 --out {tmp}/out",
        "--figure 'figure_4'",
    ),
    "missing metrics": (TABLE + " --table table_8 --metrics {tmp}", "adm-128-250.json: does not exist"),
    "metrics left out": (TABLE + " --table table_8", "--metrics: is missing; this table needs it"),
    "sizes left out": (TABLE + " --table table_11", "--sizes: is missing; this table needs it"),
    "throughput left out": (TABLE + " --table table_7", "--throughput: is missing; this table needs it"),
    "missing paper": (
        "table --params {params} --paper {tmp}/none --table table_14 --out {tmp}/out",
        "table_14.csv: does not exist",
    ),
    "missing shard": (
        "gather {tmp}/1.npz --params {params} --run scale-2 --checkpoint {tmp}/c --classifier {tmp}/k --out {tmp}/out",
        "1.npz: does not exist",
    ),
    "missing samples": (
        FIGURE + " --figure figure_21 --samples {tmp}/none",
        "none/adm-256-1980: does not exist",
    ),
    "samples left out": (
        FIGURE + " --figure figure_21",
        "--samples: is missing; this figure needs it",
    ),
    "malformed shard": (
        SAMPLE + " --run scale-2 --classifier {tmp}/k --shard 5-of-4",
        "--shard '5-of-4': is no shard",
    ),
    "guided run without a classifier": (SAMPLE + " --run scale-2", "--classifier: is missing; run 'scale-2' needs it"),
    "guided run of a base": (
        SAMPLE + " --run scale-2 --base {tmp}/b",
        "--classifier: is missing; run 'scale-2' needs it",
    ),
    "guided run of a base too": (
        SAMPLE + " --run scale-2 --classifier {tmp}/k --base {tmp}/b",
        "b': is not used by run 'scale-2', which needs --classifier alone",
    ),
    "stack without a base": (SAMPLE + " --run stack-540-500", "--base: is missing; run 'stack-540-500' needs it"),
    "stack with a classifier": (
        SAMPLE + " --run stack-540-500 --classifier {tmp}/k",
        "--base: is missing; run 'stack-540-500' needs it",
    ),
    "stack with a classifier too": (
        SAMPLE + " --run stack-540-500 --classifier {tmp}/k --base {tmp}/b",
        "k': is not used by run 'stack-540-500', which needs --base alone",
    ),
    "gathered stack without a base": (
        "gather {tmp}/1.npz --params {params} --run stack-540-500 --checkpoint {tmp}/c --out {tmp}/out",
        "--base: is missing; run 'stack-540-500' needs it",
    ),
}


def filled_in(arguments, params, tmp_path):
    return arguments.format(params=params, tmp=tmp_path, paper=PAPER).split()


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
    content["models"]["adm-128"]["network"]["channels"] = 33
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(content))
    code, _, err = adm("check", "--params", broken, "--out", tmp_path / "out")
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.startswith(f"error: {broken}: models.adm-128.network: ")
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
        assert adm("init", "--params", params, "--model", "adm-128", "--out", out / "model")[0] == 0
    assert everything_in(tmp_path / "a") == everything_in(tmp_path / "b")


RUN = "adm-256-1980"


@pytest.fixture(scope="module")
def inputs(params, tmp_path_factory):
    """Metrics of every run, samples of one, whole and in two shards, and files that stand for its parents."""
    folder = tmp_path_factory.mktemp("inputs")
    loaded = load(params)
    bootstrap = {name: [1.0 + n / 100 for n in range(50)] for name in METRICS}
    for number, key in enumerate(loaded.scored):
        metrics = {"fid": 9.0 - number / 50, "sfid": 12.0, "inception_score": 5.0, "precision": 0.5, "recall": 0.4}
        content = {"metrics": metrics, "bootstrap": bootstrap, "num_samples": 500}
        content["made_by"] = provenance("evaluate", {"run": loaded.scored[key]}, {}, [])
        write_sealed_json(folder / f"{key}.json", content)
    for key in loaded.segments:
        made_with = fingerprint(dump_sections(loaded.sections_of_segment(key)))
        write_sealed_csv(folder / f"{key}.csv", "step,seconds\n1,60.0\n", made_with)
    run = loaded.runs[RUN]
    images = np.random.default_rng(0).integers(0, 256, (run.num_samples, 8, 8, 3)).astype(np.uint8)
    labels = np.arange(run.num_samples) % 10
    parents = {"checkpoint": folder / "c", "classifier": folder / "k"}
    for name, path in parents.items():
        path.write_text(name)
    write_batch(folder / RUN, "sample", run, parents, images, labels)
    half = run.num_samples // run.micro_batch // 2 * run.micro_batch
    write_shard(folder / "1.npz", run, parents, Shard(1, 2), [Block(images[:half], labels[:half])])
    write_shard(folder / "2.npz", run, parents, Shard(2, 2), [Block(images[half:], labels[half:])])
    claim = {"kind": "lower", "metric": "fid", "run": "adm-256-1980", "than": "adm-256-250"}
    content = yaml.safe_load(params.read_text())
    content["claims"] = {"only": {"statement": "FID falls", "source": "Table 9", **claim}}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    return folder


LIGHT = {
    "help": "--help",
    "help of a verb": "train --help",
    "check": "check --out {tmp}/out",
    "prepare": "prepare --dataset digits --out {tmp}/out",
    "table of runs": "table --table table_8 --paper {paper} --metrics {inputs} --out {tmp}/out",
    "table of params": "table --table table_14 --paper {paper} --out {tmp}/out",
    "figure of metrics": "figure --paper {paper} --figure figure_6 --metrics {inputs} --out {tmp}/out",
    "figure of training": "figure --paper {paper} --figure figure_5 --metrics {inputs} --training {inputs}"
    " --out {tmp}/out",
    "figure of samples": "figure --paper {paper} --figure figure_21 --samples {inputs} --out {tmp}/out",
    "claims": "claims --params {inputs}/params.yaml --metrics {inputs} --studies {tmp} --throughput {tmp}"
    " --sizes {tmp}/none --out {tmp}/out",
    "gather": "gather {inputs}/1.npz {inputs}/2.npz --run adm-256-1980 --checkpoint {inputs}/c"
    " --classifier {inputs}/k --out {tmp}/out",
}


@pytest.mark.parametrize("case", LIGHT)
def test_a_light_verb_loads_no_heavy_library(params, root, inputs, tmp_path, case):
    arguments = LIGHT[case].format(tmp=tmp_path, inputs=inputs, paper=PAPER).split()
    if not {"--help", "--params"} & set(arguments):
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
    assert everything_in(tmp_path / "out") == everything_in(inputs / RUN)


def test_every_stage_and_tool_is_a_verb_and_every_verb_one_of_them(root):
    registered = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    tools = {path.stem for path in (root / "adm" / "tools").glob("[a-z]*.py")}
    assert not tools & set(verbs())
    assert registered == tools | set(verbs())


@pytest.mark.parametrize("size", [8, 4])
def test_a_base_of_another_size_or_number_is_refused_before_anything_is_sampled(adm, params, tmp_path, size):
    stack = load(params).upsampled_runs["stack-540-500"]
    images = np.zeros((stack.num_samples - (size == 4), size, size, 3), np.uint8)
    write_batch(tmp_path / "base", "sample", stack, {}, images, np.zeros(len(images), np.int64))
    arguments = filled_in(SAMPLE + " --run stack-540-500 --base {tmp}/base", params, tmp_path)
    code, _, err = adm(*arguments)
    found = f"has {len(images)} images of {size}x{size} pixels; the run upsamples {stack.num_samples} of 4x4"
    assert (code, err) == (2, f"error: {tmp_path / 'base'}: {found}\n")
    assert not (tmp_path / "out").exists()
