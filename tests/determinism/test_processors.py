"""Another kind of processor, as far as libraries can be told to compute as on one: close, by small margins."""

import json
import shutil

import pytest
import torch

pytestmark = pytest.mark.xdist_group("engines")

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
    for name in ("samples", "features", "metrics"):
        shutil.copytree(results / name, here / name)
    shutil.copytree(here / "samples", there / "samples")
    for name, value in OLD.items():
        monkeypatch.setitem(by_snakemake.environment, name, value)
    verb = "python", "-m", "adm"
    samples, reference = results / "samples" / "scale-2", results / "references" / "digits"
    features, graph = there / "features" / "scale-2", results / "extractors" / "digits"
    by_snakemake.run(
        *verb, "features", "--params", "params.yaml", "--extractor", "digits",
        "--images", samples, "--graph", graph, "--out", features,
    )  # fmt: skip
    by_snakemake.run(
        *verb, "evaluate", "--params", "params.yaml", "--run", "scale-2", "--samples", samples, "--features", features,
        "--reference", reference / "batch", "--reference-features", reference / "features",
        "--out", there / "metrics" / "scale-2.json",
    )  # fmt: skip
    adm("compare", here, there, "--atol", "1e-4", "--out", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())["artifacts"]
    assert found["features/scale-2"]["kind"] == found["metrics/scale-2.json"]["kind"] == "close"
    print({path: (one["words"], one["apart"]) for path, one in found.items() if one["kind"] == "close"})
