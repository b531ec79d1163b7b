"""The pipeline in miniature through both engines: same bytes, nothing twice, and only what a change asks for."""

import os

import pandas as pd
import pytest

pytestmark = pytest.mark.xdist_group("engines")

SCALE_2 = ["evaluate@scale-2", "features@scale-2", "figure_21", "figure_6", "sample@scale-2"]
"""What depends on the run scale-2."""

SCORES = ["evaluate@scale-0", "evaluate@scale-2", "evaluate@through-2", "evaluate@through-4", "figure_6", "table_8"]
"""What depends on how runs are scored."""


def test_snakemake_makes_the_table_and_the_figures(by_snakemake):
    root = by_snakemake.folder / "results" / "embedded"
    table = pd.read_csv(root / "tables" / "table_8.csv")
    assert list(table.columns) == ["Iterations", "FID", "sFID", "Precision", "Recall"]
    assert list(table["Iterations"]) == [2, 4]
    for figure in ("figure_6", "figure_21"):
        assert (root / "figures" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert (root / "figures" / f"{figure}.pdf").read_bytes().startswith(b"%PDF")


def test_snakemake_finds_nothing_to_do_afterwards(by_snakemake):
    assert by_snakemake.needed() == []


def test_both_engines_make_the_same_bytes(by_snakemake, by_dvc):
    ours, theirs = by_snakemake.artifacts(), by_dvc.artifacts()
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_dvc_finds_nothing_to_do_after_snakemake_once_told(by_snakemake):
    by_snakemake.dvc("commit", "--force", "dvc.yaml")
    assert "up to date" in by_snakemake.dvc("status", "dvc.yaml")
    assert by_snakemake.repro() == []
    assert by_snakemake.needed() == []


def test_snakemake_finds_nothing_to_do_after_dvc(by_dvc):
    assert by_dvc.repro() == []
    assert by_dvc.needed() == []


def test_snakemake_told_of_dvcs_work_notices_changes(by_dvc):
    by_dvc.snakemake("--touch", "--forceall", "--quiet", "all")
    assert by_dvc.needed() == []
    with by_dvc.edited("params.yaml", "gradient_scale: 2.0", "gradient_scale: 3.0"):
        assert by_dvc.needed() == SCALE_2


def test_a_changed_run_runs_again_and_nothing_else(by_snakemake, by_dvc):
    with by_snakemake.edited("params.yaml", "gradient_scale: 2.0", "gradient_scale: 3.0"):
        assert by_snakemake.needed() == SCALE_2
    with by_dvc.edited("params.yaml", "gradient_scale: 2.0", "gradient_scale: 3.0"):
        assert by_dvc.repro() == sorted(["check", *SCALE_2])
    by_dvc.repro()


def test_dates_and_comments_run_nothing_again(by_snakemake, by_dvc):
    for project in (by_snakemake, by_dvc):
        for path in (project.folder / "adm").rglob("*.py"):
            os.utime(path)
    assert by_snakemake.needed() == []
    with by_snakemake.edited(
        "adm/metrics/frechet.py", "from scipy import linalg", "# A comment.\nfrom scipy import linalg"
    ):
        assert by_snakemake.needed() == []
    with by_dvc.edited("adm/metrics/frechet.py", "from scipy import linalg", "# A comment.\nfrom scipy import linalg"):
        assert by_dvc.repro() in ([], ["check"])
    by_dvc.repro()


def test_changed_code_runs_the_stages_that_use_it_again(by_snakemake, by_dvc):
    old, new = "split_size: int = 5000", "split_size: int = 10"
    with by_snakemake.edited("adm/metrics/inception_score.py", old, new):
        assert by_snakemake.needed() == sorted(["check", *SCORES])
    with by_dvc.edited("adm/metrics/inception_score.py", old, new):
        # Table 8 has no Inception Score, but it is made from files that changed.
        assert by_dvc.repro() == sorted(["check", *SCORES])
    by_dvc.repro()


@pytest.mark.parametrize(("cores", "shards"), [(1, 1), (2, 3)])
def test_samples_are_the_same_for_any_shards_and_cores(by_snakemake, cores, shards):
    samples = by_snakemake.folder / "results" / "embedded" / "samples" / "scale-2"
    before = {path.name: path.read_bytes() for path in samples.iterdir() if not path.name.startswith(".")}
    (samples / "samples.npz").unlink()
    by_snakemake.snakemake(
        "--cores", str(cores), "--set-scatter", f"shards={shards}", "--forcerun", "sample_shard", "sample",
        "--quiet", "all", "--", "results/embedded/samples/scale-2",
    )  # fmt: skip
    assert {path.name: path.read_bytes() for path in samples.iterdir() if not path.name.startswith(".")} == before


def test_another_configuration_than_the_stages_read_is_refused(by_snakemake):
    other = by_snakemake.folder / "other.yaml"
    other.write_text((by_snakemake.folder / "params.yaml").read_text().replace("seed: 2", "seed: 3"))
    printed = by_snakemake.snakemake("--dry-run", "--configfile", "other.yaml", succeeds=False)
    assert "paths.params: the stages read params.yaml, which differs" in printed


def test_a_key_that_dvc_itself_needs_is_named_by_dvc(by_dvc):
    with by_dvc.edited("params.yaml", "checkpoint: adm-2", "chekpoint: adm-2"):
        printed = by_dvc.dvc("repro", succeeds=False)
        checked = by_dvc.run("python", "-m", "adm", "check", "--params", "params.yaml", succeeds=False)
    assert "Could not find 'item.checkpoint'" in printed
    assert "Running stage" not in printed
    assert "params.yaml: runs.through-2: unknown key 'chekpoint' (given 'adm-2')" in checked


BAD_PARAMS = {
    "unknown key": ("gradient_scale: 2.0", "gradient_sclae: 2.0", ["runs.scale-2", "gradient_sclae", "gradient_scale"]),
    "wrong type": ("gradient_scale: 2.0", "gradient_scale: much", ["runs.scale-2.gradient_scale", "'much'", "number"]),
    "impossible value": ("seed: 2", "seed: 2\n      accumulation: 3", ["training", "accumulation 3", "batch_size 8"]),
}


@pytest.mark.parametrize("case", BAD_PARAMS)
def test_bad_params_stop_both_engines_before_anything_runs(by_snakemake, by_dvc, case):
    old, new, words = BAD_PARAMS[case]
    with by_snakemake.edited("params.yaml", old, new):
        printed = by_snakemake.snakemake("--dry-run", succeeds=False)
    (line,) = [line for line in printed.splitlines() if "params.yaml: " in line]
    assert all(word in line for word in words), line
    with by_dvc.edited("params.yaml", old, new):
        printed = by_dvc.dvc("repro", succeeds=False)
    (line,) = [line for line in printed.splitlines() if line.startswith("error: params.yaml: ")]
    assert all(word in line for word in words), line
    assert "Running stage 'check'" in printed
    assert printed.count("Running stage") == 1


def test_a_stage_that_fails_says_why_on_the_terminal(by_snakemake):
    graph = by_snakemake.folder / "results" / "embedded" / "extractors" / "digits" / "graph.pb"
    content = graph.read_bytes()
    graph.write_bytes(content[:1000])
    try:
        printed = by_snakemake.snakemake("--forcerun", "features", succeeds=False)
    finally:
        graph.write_bytes(content)
    assert "graph.pb: is not the file that was written" in printed
