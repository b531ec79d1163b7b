"""The pipeline in miniature through both engines: same bytes, nothing twice, and only what a change asks for."""

import json
import os
import re

import pandas as pd
import pytest

from adm.paper import FIGURES, TABLES

pytestmark = pytest.mark.xdist_group("engines")

SCALE_2 = {
    *("sample@scale-2", "features@scale-2", "evaluate@scale-2", "neighbours@near", "vary@varied"),
    *(
        "figure@figure_6",
        "figure@figure_7",
        "figure@figure_8",
        "figure@figure_9",
        "figure@figure_12",
        "figure@figure_21",
    ),
    *("table@table_14", "table@appendix_k", "claims"),
}
"""What depends on the run scale-2."""

RUNS = ("through-2", "through-4", "scale-0", "scale-2", "base-2", "stack-2", "gan-1", "gan-0_5")
SCORES = {
    *(f"evaluate@{run}" for run in RUNS),
    *("table@table_8", "table@table_10", "table@appendix_k", "table@further"),
    *("figure@figure_5", "figure@figure_6", "figure@figure_11", "claims"),
}
"""What depends on how runs are scored."""

OF_METRICS = {f"table@table_{number}" for number in (6, 8, 9, 10, 15, 16)} | {"table@appendix_k", "table@further"}
OF_METRICS |= {"figure@figure_5", "figure@figure_6", "figure@figure_11", "claims"}
OF_FOLDERS = OF_METRICS | {"figure@figure_9", "figure@figure_10a", "figure@figure_12", "figure@likelihood"}
"""What DVC makes again, since it depends on the folder of all metrics, or of all samples and studies."""


def test_snakemake_makes_the_tables_figures_and_claims(by_snakemake):
    root = by_snakemake.folder / "results" / "embedded"
    table = pd.read_csv(root / "tables" / "table_8.csv")
    assert list(table.columns)[:4] == ["Iterations", "Here", "FID, paper", "FID, here"]
    assert list(table["Iterations"]) == ["250K", "500K", "1000K", "2000K", "4360K"]
    assert table["FID, here"].notna().tolist() == [True, True, False, False, False]
    assert list(table["Here"][2:]) == ["not in miniature"] * 3
    for name in TABLES:
        assert all((root / "tables" / f"{name}.{ending}").stat().st_size for ending in ("csv", "md", "tex"))
    for name in FIGURES:
        assert (root / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (root / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    claims = pd.read_csv(root / "claims.csv")
    assert len(claims) == 5


def test_snakemake_finds_nothing_to_do_afterwards(by_snakemake):
    assert by_snakemake.needed() == []


def test_both_engines_make_the_same_bytes(by_snakemake, by_dvc, adm, tmp_path):
    """Though one has another folder, umask, clock, locale, order of sets and threads than the other."""
    ours, theirs = by_snakemake.artifacts(), by_dvc.artifacts()
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    print(f"{len(ours)} files of {sum(map(len, ours.values())):,} bytes are equal")
    folders = [project.folder / "results" / "embedded" for project in (by_snakemake, by_dvc)]
    exit_code, out, _ = adm("compare", *folders, "--out", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())["artifacts"]
    assert (exit_code, {one["kind"] for one in found.values()}) == (0, {"equal", "measured"}), out


def test_every_job_keeps_a_journal_under_either_engine(by_snakemake, by_dvc):
    logs = [project.folder / "results" / "embedded" / "logs" for project in (by_snakemake, by_dvc)]
    ours, theirs = (
        {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.txt")} for folder in logs
    )
    # Snakemake's own logs stand beside them.
    assert {str(path.relative_to(logs[0]).with_suffix("")) for path in logs[0].rglob("*.out")} == ours
    whole = {re.sub(r"/[0-9]+-of-[0-9]+$", "", name) for name in ours if not name.startswith("gather/")}
    assert whole == theirs
    assert {name for name in theirs if name.startswith("train/")} == {
        f"train/{segment}" for segment in by_dvc.read_params()["segments"]
    }
    for folder in logs:
        for path in folder.rglob("*.txt"):
            assert path.read_text().startswith("=== "), path
            assert " finished after " in path.read_text().splitlines()[-1], path
    for name in ("tensorboard/train/adm-128-4", "tensorboard/train_gan/digits", "tensorboard/extractor/digits"):
        assert all(len(list((folder / name).glob("events.out.tfevents.*"))) == 1 for folder in logs), name


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
        assert set(by_dvc.needed()) == SCALE_2


def test_a_changed_run_runs_again_and_nothing_else(by_snakemake, by_dvc):
    with by_snakemake.edited("params.yaml", "gradient_scale: 2.0", "gradient_scale: 3.0"):
        assert set(by_snakemake.needed()) == SCALE_2
    with by_dvc.edited("params.yaml", "gradient_scale: 2.0", "gradient_scale: 3.0"):
        assert set(by_dvc.repro()) == {"check", *SCALE_2, *OF_FOLDERS}
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
        assert set(by_snakemake.needed()) == {"check", *SCORES}
    with by_dvc.edited("adm/metrics/inception_score.py", old, new):
        # Table 8 has no Inception Score, but it is made from files that changed.
        assert set(by_dvc.repro()) == {"check", *SCORES, *OF_METRICS}
    by_dvc.repro()


@pytest.mark.parametrize(("cores", "shards"), [(1, 1), (2, 3), (2, 7)])
def test_samples_are_the_same_for_any_shards_and_cores(by_snakemake, cores, shards):
    """A run has five blocks: of seven shards two are empty."""
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
    other.write_text((by_snakemake.folder / "params.yaml").read_text().replace("seed: 4", "seed: 7"))
    printed = by_snakemake.snakemake("--dry-run", "--configfile", "other.yaml", succeeds=False)
    assert "paths.params: the stages read params.yaml, which differs" in printed


def test_a_key_that_dvc_itself_needs_is_named_by_dvc(by_dvc):
    with by_dvc.edited("params.yaml", "checkpoint: adm-128-2", "chekpoint: adm-128-2"):
        printed = by_dvc.dvc("repro", succeeds=False)
        checked = by_dvc.run("python", "-m", "adm", "check", "--params", "params.yaml", succeeds=False)
    assert "Could not find 'item.checkpoint'" in printed
    assert "Running stage" not in printed
    assert "params.yaml: runs.through-2: unknown key 'chekpoint' (given 'adm-128-2')" in checked


BAD_PARAMS = {
    "unknown key": ("gradient_scale: 2.0", "gradient_sclae: 2.0", ["runs.scale-2", "gradient_sclae", "gradient_scale"]),
    "wrong type": ("gradient_scale: 2.0", "gradient_scale: much", ["runs.scale-2.gradient_scale", "'much'", "number"]),
    "impossible value": ("seed: 4", "seed: 4\n      accumulation: 3", ["training", "accumulation 3", "batch_size 8"]),
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
