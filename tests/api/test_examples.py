"""Notebook, README and the examples of docs/python.md run as they stand, on the checkpoints of the embedded scale."""

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

pytestmark = pytest.mark.slow


@pytest.fixture
def execute(root, tmp_path, monkeypatch):
    """Run pieces of code one after the other in a folder that sees the results; return the names that they define."""
    results = root / "results" / "embedded"
    if not all((results / name).is_dir() for name in NEEDED):
        pytest.skip("results/embedded has no checkpoints; `make` trains them")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "embedded").symlink_to(results)
    monkeypatch.chdir(tmp_path)

    def run(pieces):
        names = {}
        with mpl.rc_context({"backend": "agg", "figure.max_open_warning": 0}):
            for piece in pieces:
                exec(compile(piece, "example", "exec"), names)
        return names

    return run


def test_the_notebook(root, execute):
    notebook = json.loads((root / "examples" / "sample.ipynb").read_text())
    names = execute("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert names["guided"].shape == (40, 8, 8, 3)
    assert names["error"] < 8
    assert names["bits"]["samples"] < names["bits"]["noise"]


@pytest.mark.filterwarnings("ignore:.* do not exceed the 64 pooled features")  # as few as an example has
def test_the_examples_of_the_documentation(root, execute):
    pieces = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(), re.DOTALL)
    names = execute(pieces)
    assert names["images"].dtype == np.uint8


ELSEWHERE = re.compile(r"make|\. |ls |adm score|.*64x64_diffusion")
"""Lines that build the environment, show what takes hours, or need the network."""


def test_the_lines_of_the_readme(root, execute, tmp_path):
    """Engines only plan: what they would run is tested by itself. Fewer hours are measured for fewer seconds, and a
    smaller network and fewer images take fewer.
    """
    (tmp_path / "scales").mkdir()
    for there in root.iterdir():
        if there.name not in {"results", "scales", ".snakemake", ".git", ".dvc"}:
            (tmp_path / there.name).symlink_to(there)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            Image.effect_noise((80, 64), 40 + i).convert("RGB").save(tmp_path / "photos" / name / f"{i}.png")
    blocks = re.findall(r"```sh\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    lines = [line for line in "".join(blocks).splitlines() if not ELSEWHERE.match(line)]
    assert len(lines) == 7
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in lines:
        typed = line.partition("#")[0] + (" --dry-run --quiet all" if line.startswith("snakemake") else "")
        for large, small in (("--size 64 --hours 6", "--size 16 --hours 0.05"), ("-n 16", "-n 2")):
            typed = typed.replace(large, small)
        done = subprocess.run(
            typed, check=False, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stderr)
    assert len(list(tmp_path.glob("*/images/*.png"))) == 4
    assert (tmp_path / "scales" / "pets" / "params.yaml").is_file()
