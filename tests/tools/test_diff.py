"""`diff`: what moved beyond its interval, which params, runs and verdicts differ, of folders and of git's revisions."""

import json
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from damage import sealed_json
from fabricated import PARAMS

from adm.tools import publish

SPREAD = np.array([-1, 1]) * 0.95 / 12.7062047
"""Two values around their mean: the 95 % interval is of 0.95 to either side."""

CLAIMS = "key,statement,source,verdict,effect,estimate,low,high,measure,note\nbetter,x,y,{},z,{},{},{},FID,\n"


def score(**metrics):
    """A score of a run: metrics and the jackknife of `fid`."""
    values = {"values": (metrics["fid"] + SPREAD).tolist(), "pairs": []}
    return {"metrics": metrics, "jackknife": {"fid": values}, "num_samples": 8}


def write_results(folder, scores, params=PARAMS, claim=("holds", -2, -3, -1)):
    """A results folder: its params file, scores of runs, and the verdict of its claim."""
    for name in ("metrics", "claims", "tables"):
        (folder / name).mkdir(parents=True)
    (folder / "params.yaml").write_text(params)
    for run, content in scores.items():
        (folder / "metrics" / f"{run}.json").write_bytes(sealed_json(content))
    (folder / "claims" / "own.csv").write_text(CLAIMS.format(*claim))
    return folder


@pytest.fixture
def differences(adm):
    """Compare two sides; return the differences by kind and name, and the counts."""

    def diff(*arguments):
        exit_code, out, err = adm("diff", "--json", "--exit-code", *arguments)
        assert err == ""
        report = json.loads(out)
        assert exit_code == bool(report["differences"])
        found = {(one["kind"], one["name"]): (one["a"], one["b"], one["moved"]) for one in report["differences"]}
        return found, report["counts"]

    return diff


def test_a_metric_differs_beyond_its_interval_alone(differences, adm, tmp_path):
    a = write_results(tmp_path / "a", {"a": score(fid=10.0), "b": score(fid=10.0)})
    b = write_results(tmp_path / "b", {"a": score(fid=11.5), "b": score(fid=12.0)})
    found, counts = differences(a, b)
    assert found == {
        ("metric", "b: fid"): (
            {"value": 10.0, "low": pytest.approx(9.05), "high": pytest.approx(10.95)},
            {"value": 12.0, "low": pytest.approx(11.05), "high": pytest.approx(12.95)},
            2.0,
        )
    }
    assert counts == {"numbers": 2, "beyond": 1, "within": 1, "without": 0}
    exit_code, out, _ = adm("diff", a, b)
    assert exit_code == 0
    row = [cell.strip() for cell in out.splitlines()[2].strip("|").split("|")]
    assert row == ["metric", "b: fid", "10 [9.05, 10.95]", "12 [11.05, 12.95]", "+2"]


def test_a_standard_error_makes_an_interval_and_what_has_neither_differs_as_it_changes(differences, tmp_path):
    def scored(kid, error, density):
        return {"a": score(fid=10.0, kid=kid, kid_standard_error=error, density=density)}

    base = write_results(tmp_path / "a", scored(5.0, 1.0, 0.5))
    near = write_results(tmp_path / "near", scored(8.0, 1.0, 0.5 + 1e-9))
    far = write_results(tmp_path / "far", scored(9.0, 1.0, 0.51))
    assert differences(base, near) == ({}, {"numbers": 3, "beyond": 0, "within": 1, "without": 0})
    found, counts = differences(base, far)
    assert [name for _, name in found] == ["a: kid", "a: density"]
    assert counts == {"numbers": 3, "beyond": 1, "within": 0, "without": 1}


def test_runs_of_curves_and_judges_are_compared_too(differences, tmp_path):
    params = PARAMS.replace("  b: {<<: *a", "  c: {<<: *a, curve: k}\n  b: {<<: *a")
    for name, fid in (("a", 1.0), ("b", 5.0)):
        folder = write_results(tmp_path / name, {}, params)
        (folder / "curves").mkdir()
        (folder / "curves" / "k.json").write_bytes(sealed_json({"runs": {"c": score(fid=fid)}}))
    assert differences(tmp_path / "a", tmp_path / "b")[0].keys() == {("metric", "c: fid")}


def test_params_and_runs_that_differ(differences, tmp_path):
    both = {"a": score(fid=1.0), "b": score(fid=1.0)}
    a = write_results(tmp_path / "a", both)
    # A default that is written down is no difference, and neither is where results lie.
    same = PARAMS.replace("results/tiny", "results/other").replace('steps: "3"', 'steps: "3", eta: 0.0')
    assert differences(a, write_results(tmp_path / "same", both, same))[0] == {}
    other = PARAMS.replace("learning_rate: 1.0e-3", "learning_rate: 2.0e-3").replace("  b: {", "  c: {<<: *a}\n  b: {")
    b = write_results(tmp_path / "b", {"a": score(fid=1.0), "c": score(fid=1.0)}, other)
    assert differences(a, b)[0] == {
        ("param", "models.m.training.learning_rate"): (1e-3, 2e-3, None),
        ("param", "models.n.training.learning_rate"): (1e-3, 2e-3, None),
        ("run", "b"): ("there", None, None),
        ("run", "c"): (None, "there", None),
    }


def test_verdicts_that_differ(differences, tmp_path):
    scores = {"a": score(fid=1.0)}
    a = write_results(tmp_path / "a", scores)
    moved = write_results(tmp_path / "moved", scores, claim=("holds", -2.5, -4, -1))
    assert differences(a, moved)[0] == {}
    other = write_results(tmp_path / "other", scores, claim=("undecided", -2, -5, 1))
    found = differences(a, other)[0]
    assert found == {("claim", "better"): ("holds: -2 [-3, -1]", "undecided: -2 [-5, 1]", None)}


TABLE = 'Run,Here,FID,KID,Precision,"FID, paper","Recall, ±",Recall\n{}\n'
FIRST = 'a,"m-9, 3 steps","4.00 [3.00, 5.00]",2 ± 1,0.5,7.7,0.1,0.6'
SECOND = 'a,"m-9, 4 steps","5.50 [5.20, 6.00]",4 ± 1,0.5,8.8,0.1,0.9'


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A project in git of two commits: a scale on a base, with its tables and claims and without scores."""
    (folder := tmp_path / "project").mkdir()
    monkeypatch.chdir(folder)
    results = write_results(folder / "results" / "tiny", {})
    (results / "params.yaml").unlink()
    (folder / "base.yaml").write_text(PARAMS)
    (folder / "params.yaml").write_text("{base: base.yaml, paths: {results: results/tiny}}")
    (results / "tables" / "mine.csv").write_text(TABLE.format(FIRST))

    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], check=True, capture_output=True
        )

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    (folder / "base.yaml").write_text(PARAMS.replace("num_images: 50", "num_images: 60", 1))
    (results / "tables" / "mine.csv").write_text(TABLE.format(SECOND))
    (results / "claims" / "own.csv").write_text(CLAIMS.format("undecided", -2, -5, 1))
    git("add", ".")
    git("commit", "-m", "second")
    return folder


def test_a_revision_by_its_tables_claims_and_params(differences, repository):
    expected = {
        ("param", "references.x.num_images"): (50, 60, None),
        ("cell", "mine: a, FID"): ({"value": 4, "low": 3, "high": 5}, {"value": 5.5, "low": 5.2, "high": 6}, 1.5),
        ("cell", "mine: a, Recall"): (
            {"value": 0.6, "low": 0.5, "high": 0.7},
            {"value": 0.9, "low": 0.8, "high": 1.0},
            pytest.approx(0.3),
        ),
        ("claim", "better"): ("holds: -2 [-3, -1]", "undecided: -2 [-5, 1]", None),
    }
    counts = {"numbers": 4, "beyond": 2, "within": 1, "without": 0}
    assert differences("HEAD~1") == (expected, counts)
    assert differences("HEAD~1", "HEAD") == (expected, counts)
    assert differences("HEAD") == ({}, {"numbers": 4, "beyond": 0, "within": 0, "without": 0})
    # What is there now need not be committed.
    (repository / "results" / "tiny" / "tables" / "mine.csv").write_text(TABLE.format(SECOND.replace(",0.5,", ",0.6,")))
    found, counts = differences("HEAD")
    assert found.keys() == {("cell", "mine: a, Precision")}
    assert counts["without"] == 1


def test_results_where_no_params_file_tells_their_place(differences, repository):
    (repository / "scales" / "tiny").mkdir(parents=True)
    (repository / "scales" / "tiny" / "params.yaml").write_text("base: ../../base.yaml")
    subprocess.run(["git", "add", "."], check=True)
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "third"], check=True)
    assert differences("HEAD", "--params", "scales/tiny/params.yaml")[1]["numbers"] == 4


def publish_results(results):
    """What git holds of a results folder: its claims, and an archive of its scores and params."""
    out = publish.published(results)
    shutil.copytree(results / "claims", out / "claims")
    with tarfile.open(out / publish.ARCHIVE, "w:xz") as archive:
        for name in ("params.yaml", "metrics"):
            archive.add(results / name, name)
    return out


def test_what_is_published_is_compared_by_its_scores_in_a_folder_and_in_git(differences, repository):
    results = write_results(repository / "results" / "more", {"a": score(fid=10.0)}, claim=("undecided", -2, -5, 1))
    out = publish_results(results)
    (repository / "params.yaml").write_text("{base: base.yaml, paths: {results: results/more}}")
    subprocess.run(["git", "add", out, "params.yaml"], check=True)
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "third"], check=True)
    assert differences("HEAD")[0] == {}
    (results / "metrics" / "a.json").write_bytes(sealed_json(score(fid=12.0)))
    for side in (out, "HEAD"):
        found, counts = differences(side)
        assert ("metric", "a: fid") in found
        assert (counts["numbers"], counts["beyond"]) == (1, 1)


def damaged(folder):
    (folder / "metrics" / "a.json").write_bytes(sealed_json(score(fid=1.0))[:-9])


def without_metrics(folder):
    (folder / "metrics" / "a.json").write_bytes(sealed_json({"scores": {"fid": 1.0}}))


def with_words(folder):
    (folder / "metrics" / "a.json").write_bytes(sealed_json({"metrics": {"fid": "low"}, "jackknife": {}}))


def with_other_claims(folder):
    (folder / "claims" / "own.csv").write_text("name,says\nbetter,yes\n")


def with_other_params(folder):
    (folder / "params.yaml").write_text(PARAMS + "novel: {}\n")


def without_params(folder):
    (folder / "params.yaml").unlink()


def empty(folder):
    (folder / "metrics" / "a.json").unlink()
    (folder / "claims" / "own.csv").unlink()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (damaged, "metrics/a.json"),
        (without_metrics, "metrics/a.json"),
        (with_words, "metrics/a.json"),
        (with_other_claims, "claims/own.csv"),
        (with_other_params, "novel"),
        (without_params, "params.yaml"),
        (empty, "nothing to compare"),
    ],
)
def test_folders_that_cannot_be_compared_are_refused_in_one_line(adm, tmp_path, damage, named):
    scores = {"a": score(fid=1.0)}
    a, b = (write_results(tmp_path / name, scores) for name in ("a", "b"))
    damage(b)
    exit_code, out, err = adm("diff", a, b)
    assert (exit_code, out, err.count("\n")) == (2, "", 1)
    assert str(b) in err
    assert named in err


def test_what_is_neither_folder_nor_revision_is_refused_in_one_line(adm, repository):
    for name in ("nowhere", "HEAD~9", "base.yaml", "--output=x"):
        exit_code, out, err = adm("diff", "--", name)
        assert (exit_code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"error: {name}: is neither")


def test_a_revision_of_other_params_is_refused_in_one_line_that_names_it(adm, repository):
    (repository / "base.yaml").write_text(PARAMS + "novel: {}\n")
    subprocess.run(["git", "add", "."], check=True)
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "third"], check=True)
    (repository / "base.yaml").write_text(PARAMS)
    exit_code, _, err = adm("diff", "HEAD")
    assert (exit_code, err.count("\n")) == (2, 1)
    assert err.startswith("error: HEAD:params.yaml: ")
    assert "novel" in err
    exit_code, _, err = adm("diff", "HEAD", "--params", "nowhere.yaml")
    assert (exit_code, err.count("\n")) == (2, 1)
    assert "nowhere.yaml" in err
