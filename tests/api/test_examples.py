"""Notebooks, README, ten minutes and the examples of docs/python.md run; most need the embedded scale's results."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

NEEDED = (
    *(f"checkpoints/{name}" for name in ("adm-128-2180", "classifier-128-1000", "adm-64-540", "adm-u-500")),
    "extractors/digits",
)


@pytest.fixture
def run():

    def run(pieces):
        names = {}
        with mpl.rc_context({"backend": "agg", "figure.max_open_warning": 0}):
            for piece in pieces:
                exec(compile(piece, "example", "exec"), names)
        return names

    return run


@pytest.fixture
def execute(root, tmp_path, monkeypatch, run):
    """Run code in a folder that sees the results."""
    results = root / "results" / "embedded"
    if not all((results / name).is_dir() for name in NEEDED):
        pytest.skip("results/embedded has no checkpoints; `make` trains them")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "embedded").symlink_to(results)
    monkeypatch.chdir(tmp_path)
    return run


def code_of(notebook):
    """The code of each cell of a notebook, which holds no outputs."""
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)
    return ["".join(cell["source"]) for cell in cells]


@pytest.mark.slow
def test_the_notebook(root, execute):
    names = execute(code_of(root / "examples" / "sample.ipynb"))
    assert names["guided"].shape == (40, 8, 8, 3)
    assert names["error"] < 8
    assert names["bits"]["samples"] < names["bits"]["noise"]


def test_the_lesson_trains_guides_and_scores(root, run, tmp_path, monkeypatch):
    """With a fifth of its training, and fewer images: guidance makes images that are told right, and costs recall."""
    code = "\0".join(code_of(root / "examples" / "lesson.ipynb"))
    fewer = {"budget, each = 1, 40": "budget, each = 0.2, 8", "iterations=500": "iterations=100", "(0, 1, 4)": "(0, 4)"}
    fewer |= {"train_size=1400": "train_size=500, test_size=200", "steps=25": "steps=10"}
    for large, small in fewer.items():
        assert large in code
        code = code.replace(large, small)
    monkeypatch.chdir(tmp_path)
    names = run(code.split("\0"))
    fid, (seen, unseen, graph) = names["adm"].fid, (names[name] for name in ("seen", "unseen", "graph"))
    told, unguided = names["told"], names["drawn"][0]
    noise = np.random.default_rng(0).integers(0, 256, unguided.shape, np.uint8)
    assert fid(noise, seen, graph) > told[0]["fid"] > fid(unseen, seen, graph)
    assert told[4]["right"] > told[0]["right"] > 0.1
    assert told[4]["recall"] < told[0]["recall"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* do not exceed the 64 pooled features")  # as few as an example has
def test_the_examples_of_the_documentation(root, execute):
    pieces = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(), re.DOTALL)
    names = execute(pieces)
    assert names["images"].dtype == np.uint8


ELSEWHERE = re.compile(r"make|\. |pip |jupyter|adm score|adm report|.*64x64_diffusion")
"""Lines that build the environment, show what takes hours, are run by other tests, or need the network."""


def run_lines(root, folder, page, smaller):
    """Run the lines of a page in a folder that is like a clone, made `smaller` by replacing words; return how many.

    Engines only plan: what they would run is tested by itself.
    """
    (folder / "scales").mkdir()
    for there in root.iterdir():
        if there.name not in {"results", "scales", ".snakemake", ".git", ".dvc"}:
            (folder / there.name).symlink_to(there)
    blocks = re.findall(r"```sh\n(.*?)```", (root / page).read_text(), re.DOTALL)
    lines = [line for line in "".join(blocks).splitlines() if not ELSEWHERE.match(line)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in lines:
        typed = line.partition("#")[0] + (" --dry-run --quiet all" if line.startswith("snakemake") else "")
        for large, small in smaller.items():
            typed = typed.replace(large, small)
        done = subprocess.run(
            typed, check=False, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True, cwd=folder
        )
        assert done.returncode == 0, (line, done.stderr)
    return len(lines)


@pytest.mark.slow
@pytest.mark.usefixtures("execute")
def test_the_lines_of_the_readme(root, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            Image.effect_noise((80, 64), 40 + i).convert("RGB").save(tmp_path / "photos" / name / f"{i}.png")
    smaller = {"--size 64 --hours 6": "--size 16 --hours 0.05", "-n 16": "-n 2"}
    assert run_lines(root, tmp_path, "README.md", smaller) == 8
    assert len(list(tmp_path.glob("*/images/*.png"))) == 6
    assert (tmp_path / "scales" / "pets" / "params.yaml").is_file()


@pytest.mark.slow
def test_the_lines_of_ten_minutes(root, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(root / "results" / "published")
    smaller = {"--size 32 --hours 0.2": "--size 16 --hours 0.05", "-n 16": "-n 2"}
    assert run_lines(root, tmp_path, "docs/ten_minutes.md", smaller) == 8
    assert len(list(tmp_path.glob("flags/images/*.png"))) == 2
    assert (tmp_path / "scales" / "mine" / "params.yaml").is_file()
