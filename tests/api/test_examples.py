"""The notebook and the examples of docs/python.md run as they stand, on the checkpoints of the embedded scale."""

import json
import re

import matplotlib as mpl
import numpy as np
import pytest

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


def test_the_examples_of_the_documentation(root, execute):
    pieces = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(), re.DOTALL)
    names = execute(pieces)
    assert names["images"].dtype == np.uint8
