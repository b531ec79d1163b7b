"""Another kind of processor, as far as libraries can be told to compute as on one: close, by small margins."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from adm.fork_server import PLACE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engines")]

OLD = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Prescott",
}
"""Kernels of torch and of its libraries, and of numpy's, that need no wide vectors."""


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="this processor has no wide vectors")
def test_scores_of_the_same_samples_are_close(by_snakemake, adm, tmp_path, monkeypatch):
    results = by_snakemake.folder / "results" / "embedded"
    here, there = tmp_path / "here", tmp_path / "there"
    again = [Path("features", "scale-2"), Path("metrics", "scale-2.json")]
    for name in ("samples", "features", "references", "extractors", "metrics"):
        for folder in (here, there):
            shutil.copytree(results / name, folder / name)
    for folder in (here, there):
        shutil.copy(results / "params.yaml", folder)
    shutil.rmtree(there / again[0])
    (there / again[1]).unlink()
    for name, value in OLD.items():
        monkeypatch.setitem(by_snakemake.environment, name, value)
    # A fork has the kernels that its parent chose.
    monkeypatch.delitem(by_snakemake.environment, PLACE)
    (by_snakemake.folder / "there.yaml").write_text(f"{{base: params.yaml, paths: {{results: {there}}}}}")
    for verb in ("features", "evaluate"):
        by_snakemake.run("python", "-m", "adm", verb, "scale-2", "--params", "there.yaml")
    assert all((there / path).exists() for path in again)
    adm("compare", here, there, "--atol", "1e-4", "--out", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())["files"]
    of_features = {one["kind"] for path, one in found.items() if path.startswith("features/scale-2/")}
    assert "close" in of_features
    assert of_features <= {"close", "equal", "remade"}
    assert found["metrics/scale-2.json"]["kind"] == "close"
    print({path: one["words"] for path, one in found.items() if one.get("kind") == "close"})
