"""Published results: in any clone they prove themselves, and what was changed, or is of other params, is named."""

import hashlib
import io
import json
import lzma
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from making import everything_in
from scipy import stats

from adm.artifacts.manifest import sha256
from adm.artifacts.seal import read_sealed_json, write_sealed_json
from adm.params import load
from adm.pipeline import Pipeline
from adm.report.sides import Number
from adm.tools import publish, reproduced

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engines")]


@pytest.fixture(scope="module")
def made(by_snakemake, tmp_path_factory):
    """A folder with a params file, its results, and what is published of them."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(by_snakemake.folder / "params.yaml", folder)
    shutil.copytree(by_snakemake.folder / "results", folder / "results")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        publish.run(Pipeline(load("params.yaml")))
    return folder


@pytest.fixture
def clone(made, tmp_path, monkeypatch):
    folder = tmp_path / "clone"
    shutil.copytree(made / "results" / "published", folder / "results" / "published")
    shutil.copy(made / "params.yaml", folder)
    monkeypatch.chdir(folder)
    return folder / "results" / "published" / "embedded"


def repack(archive, change):
    """Write an archive again, with other files: `change` takes and returns bytes by name."""
    with tarfile.open(archive) as packed:
        files = {member.name: packed.extractfile(member).read() for member in packed.getmembers()}
    with tarfile.open(archive, "w:xz") as packed:
        for name, content in change(files).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def rescored(path, content, **metrics):
    """A score with other metrics, sealed as a stage would seal it."""
    score = {key: value for key, value in json.loads(content).items() if key != "sha256"}
    write_sealed_json(path, {**score, "metrics": {**score["metrics"], **metrics}})
    return path.read_bytes()


def test_tables_figures_and_claims_are_published_and_follow_from_the_scores(made, clone, adm):
    results, shown = made / "results" / "embedded", everything_in(clone)
    for folder, endings in (("tables", "csv md"), ("figures", "png"), ("claims", "csv md")):
        names = {
            path.relative_to(results) for ending in endings.split() for path in (results / folder).glob(f"*.{ending}")
        }
        assert names
        assert all(shown[str(name)] == (results / name).read_bytes() for name in names)
    exit_code, out, err = adm("publish", "--check")
    assert (exit_code, out.count("\n"), err) == (0, 1, "")


def test_the_same_is_published_of_the_same_results_and_again_of_the_scores_alone(made, clone, adm, monkeypatch):
    before = everything_in(clone)
    for path in (*clone.glob("tables/*"), *clone.glob("claims/*"), clone / "figures" / "figure_5.png"):
        path.write_text("lost")
    assert adm("publish", "--again")[0] == 0
    assert everything_in(clone) == before
    monkeypatch.chdir(made)
    assert adm("publish")[0] == 0
    assert everything_in(made / "results" / "published" / "embedded") == before


@pytest.mark.parametrize(
    ("name", "old", "new"), [("tables/table_8.md", "0.", "1."), ("claims/paper.csv", "undecided", "holds")]
)
def test_a_changed_table_or_verdict_is_found(clone, adm, name, old, new):
    text = (clone / name).read_text()
    assert old in text
    (clone / name).write_text(text.replace(old, new, 1))
    exit_code, out, _ = adm("publish", "--check")
    assert (exit_code, out.count("\n")) == (1, 2)
    assert out.startswith(f"results/published/embedded/{name}: does not follow")


def test_a_changed_score_is_found(clone, adm, tmp_path, refused):
    repack(
        clone / publish.ARCHIVE,
        lambda files: {
            **files,
            "metrics/scale-0.json": rescored(tmp_path / "new.json", files["metrics/scale-0.json"], fid=123.0),
        },
    )
    exit_code, out, _ = adm("publish", "--check")
    assert exit_code == 1
    assert "does not follow" in out
    # A byte that no stage wrote is told as everywhere.
    repack(
        clone / publish.ARCHIVE,
        lambda files: {**files, "metrics/scale-0.json": files["metrics/scale-0.json"].replace(b"123.0", b"124.0")},
    )
    assert f"{publish.ARCHIVE}: metrics/scale-0.json: is not the file that was written" in refused("publish", "--check")


def test_other_params_are_found(clone, refused):
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["runs"]["scale"]["seed"] = 7
    Path("params.yaml").write_text(yaml.safe_dump(content))
    err = refused("publish", "--check")
    assert f"{publish.ARCHIVE}: metrics/scale-" in err
    assert "is out of date (params: run.seed its default -> 7)" in err


def without_a_score(files):
    return {name: content for name, content in files.items() if name != "metrics/scale-2.json"}


def of_another_format(files):
    score = json.loads(files["metrics/scale-2.json"])
    path = "metrics/scale-2.json"
    return {**files, path: json.dumps({"scores": score["metrics"]}).encode()}


@pytest.mark.parametrize("change", [without_a_score, of_another_format])
def test_scores_that_are_missing_or_of_another_version_are_named(clone, refused, change):
    repack(clone / publish.ARCHIVE, change)
    assert f"results/published/embedded/{publish.ARCHIVE}: metrics/scale-2.json: " in refused("publish", "--check")


def without_losses(files):
    """Likelihoods as an earlier version wrote them."""
    (name,) = (name for name in files if name.endswith("/likelihood.npz"))
    arrays = {key: array for key, array in np.load(io.BytesIO(files[name])).items() if key != "losses"}
    np.savez(study := io.BytesIO(), **arrays)
    manifest = name.replace("likelihood.npz", "manifest.json")
    hashes = [hashlib.sha256(content).hexdigest().encode() for content in (files[name], study.getvalue())]
    assert hashes[0] in files[manifest]
    return {**files, name: study.getvalue(), manifest: files[manifest].replace(*hashes)}


def test_a_figure_of_a_study_of_another_version_stays_as_it_is(clone, adm):
    repack(clone / publish.ARCHIVE, without_losses)
    (clone / "figures" / "likelihood.png").write_bytes(b"of then")
    exit_code, out, _ = adm("publish", "--again")
    assert exit_code == 0
    assert "stays as it is: figure/likelihood: " in out
    assert (clone / "figures" / "likelihood.png").read_bytes() == b"of then"


@pytest.mark.parametrize("content", [None, b"no archive", lzma.compress(b"no tar")])
def test_an_archive_that_is_damaged_or_missing_is_named(clone, refused, content):
    (clone / publish.ARCHIVE).unlink()
    if content is not None:
        (clone / publish.ARCHIVE).write_bytes(content)
    for option in ("--check", "--again"):
        assert f"results/published/embedded/{publish.ARCHIVE}: " in refused("publish", option)
    for other in ("--check", "folder"):
        assert "--again: makes a scale's tables anew" in refused("publish", "--again", other)


def test_what_cannot_be_proven_says_so(clone, adm):
    (clone / publish.ARCHIVE).unlink()
    (clone / publish.NOTE).write_text("Waits for a run.\nMore.\n")
    exit_code, out, _ = adm("publish", "--check")
    assert (exit_code, out.splitlines()) == (
        0,
        ["results/published/embedded: cannot be proven: Waits for a run."],
    )


def test_a_page_of_other_params_is_told_once_they_are_put_back(made, tmp_path, monkeypatch, adm):
    shutil.copytree(made, tmp_path / "paged")
    monkeypatch.chdir(tmp_path / "paged")
    params = tmp_path / "paged" / "params.yaml"
    before = params.read_text()
    for text, state in ((before, "there"), (before.replace("Terms of the bound.", "Other terms."), "stale")):
        params.write_text(text)
        assert adm("report")[0] == 0
        params.write_text(before)
        assert f": {state}" in adm("jobs", "report")[1]


def test_what_is_published_of_stale_results_is_found(made, tmp_path, monkeypatch, refused):
    shutil.copytree(made, tmp_path / "stale")
    monkeypatch.chdir(tmp_path / "stale")
    results = tmp_path / "stale" / "results" / "embedded"
    table = results / "tables" / "own.csv"
    table.write_text(table.read_text().replace("1", "2"))
    record = read_sealed_json(table.with_suffix(".json"))
    record["made_by"]["files"]["own.csv"] = sha256(table)
    write_sealed_json(table.with_suffix(".json"), record)
    before = everything_in(tmp_path / "stale" / "results" / "published")
    message = refused("publish")
    assert "embedded: stays as it is" in message
    assert "tables/own.csv: does not follow" in message
    params = tmp_path / "stale" / "params.yaml"
    params.write_text(params.read_text().replace("Terms of the bound.", "Other terms."))
    assert "figures/likelihood.json: is out of date (params: figure.caption" in refused("publish")
    params.write_text(params.read_text().replace("Other terms.", "Terms of the bound."))
    (results / "figures" / "likelihood.png").write_bytes(b"edited")
    assert "likelihood.png: is not the file that was written" in refused("publish")
    assert everything_in(tmp_path / "stale" / "results" / "published") == before


def test_results_that_are_not_whole_are_not_published(made, tmp_path, monkeypatch, refused):
    shutil.copytree(made, tmp_path / "half")
    monkeypatch.chdir(tmp_path / "half")
    (tmp_path / "half" / "results" / "embedded" / "tables" / "own.md").unlink()
    before = everything_in(tmp_path / "half" / "results" / "published")
    assert "results/embedded/tables/own.md" in refused("publish")
    assert everything_in(tmp_path / "half" / "results" / "published") == before


@pytest.fixture
def other(made, tmp_path, monkeypatch):
    """Results of another training: one score is elsewhere, and so is a verdict."""
    folder = tmp_path / "other"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    results = folder / "results" / "embedded"
    path = results / "metrics" / "scale-2.json"
    path.write_bytes(rescored(tmp_path / "new.json", path.read_bytes(), fid=100.0))
    claims = results / "claims" / "paper.csv"
    claims.write_text(claims.read_text().replace("undecided", "holds", 1))
    claims.with_suffix(".json").unlink()
    return results


def test_results_are_compared_with_the_published_ones(made, other):
    same = list(reproduced.comparison(made / "results" / "embedded"))
    assert len(same) == 1
    words = [int(word) for word in same[0].split() if word.isdigit()]
    assert words[0] == words[1] > 5
    moved = "\n".join(reproduced.comparison(other))
    counts = [int(word) for word in moved.split() if word.isdigit()]
    # Two files have other bytes, and one score lies apart.
    assert counts[1] - counts[0] == 2
    assert counts[3] - counts[2] == 1
    assert "-> holds" in moved
    assert "made on" not in moved
    for path in (other / "logs").rglob("*.txt"):
        path.write_text(path.read_text().replace("  processor: ", "  processor: another than "))
    assert "another than" in "\n".join(reproduced.comparison(other))


def test_no_more_scores_may_lie_apart_than_chance_puts_there(other):
    """Runs move one by one until so many scores lie apart as right results have in one of 100 comparisons."""
    chances = []
    for path in sorted((other / "metrics").glob("*.json")):
        path.write_bytes(rescored(path, path.read_bytes(), fid=100.0))
        first, *lines = reproduced.comparison(other)
        (told,) = re.findall(r"^(\d+) of (\d+) scores", "\n".join(lines), flags=re.MULTILINE)
        inside, count = map(int, told)
        chances.append(stats.binom.sf(count - inside - 1, count, 0.01))
        assert first.startswith("not reproduced in full") == (chances[-1] < 0.01)
    assert max(chances) > 0.01 > min(chances)


def test_a_score_of_another_training_lies_within_for_99_in_100():
    """Scores with a known spread over trainings, told by the spread over draws of samples alone."""
    rng, count = np.random.default_rng(0), 20_000
    ratio, sampled = 3.2, 0.5
    trained = rng.normal(0, ratio * sampled, (count, 2)) + rng.normal(0, sampled, (count, 2))
    scores = [[Number(x, x - 1.96 * sampled, x + 1.96 * sampled) for x in pair] for pair in trained]
    assert np.mean([reproduced.within(*pair, ratio) for pair in scores]) == pytest.approx(0.99, abs=0.003)
    assert np.mean([reproduced.within(*pair, 0.0) for pair in scores]) < 0.7
