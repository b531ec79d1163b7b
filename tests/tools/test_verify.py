"""`verify`: whatever happened to an artifact is named, and nothing else is."""

import json
import re
import shutil

import pytest
from damage import flip, sealed_json, swap

from adm.artifacts.manifest import MANIFEST

FOLDERS = ["data/x", "extractors/g", "checkpoints/m-9"]


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_bytes(sealed_json(content))


@pytest.fixture
def verify(adm):
    """Verify results; return what is wrong, by the artifact's path, and what was printed below it."""

    def run(results):
        exit_code, out, err = adm("verify", results)
        lines = out.splitlines()
        told = [line for line in lines[:-1] if not line.startswith("made by other code")]
        wrong = dict(line.split(": ", 1) for line in told)
        assert (exit_code, err) == (int(bool(wrong)), "")
        assert f" {len(wrong)} wrong;" in lines[-1]
        return wrong, "\n".join(lines[len(told) :])

    return run


@pytest.fixture
def wrong(verify):
    return lambda results: verify(results)[0]


def test_sound_results_wherever_they_lie(project, verify, tmp_path):
    moved = shutil.move(project.results, tmp_path / "elsewhere")
    wrong, counts = verify(moved)
    assert wrong == {}
    artifacts, sound, other = re.match(
        r"(\d+) artifacts: (\d+) sound, 0 wrong; (\d+) made by other code", counts
    ).groups()
    assert (sound, other) == (artifacts, "0")
    assert int(artifacts) > 20


@pytest.mark.parametrize("path", FOLDERS)
def test_a_flipped_byte_is_named(project, wrong, path):
    flip(project.results / path / "content.bin")
    ((found, words),) = wrong(project.results).items()
    assert found == path
    assert words.startswith("content.bin: is not the file that was written")


@pytest.mark.parametrize("path", ["metrics/a.json", "sizes.json", "claims/own.json", "training/m-9.csv"])
def test_a_flipped_byte_of_a_file_that_stands_alone_is_named(project, wrong, path):
    flip(project.results / path, 3)
    found = wrong(project.results)
    assert found[path].startswith(f"{path.rpartition('/')[2]}: is no")
    # What is made from it was made from another one.
    assert set(found) <= {path, "claims/own.json", "tables/mine.json", "report.json"}


def test_a_table_that_was_edited_is_told_of_its_record(project, wrong):
    (project.results / "tables" / "mine.md").write_text("edited")
    found = wrong(project.results)
    assert found.pop("tables/mine.json").startswith("mine.md: is not the file that was written")
    assert set(found) == {"report.json"}  # which shows it


def test_a_change_of_a_manifest_shows_in_its_children(project, wrong):
    edit_json(project.results / "checkpoints" / "m-0" / MANIFEST, lambda content: content["facts"].update(step=1))
    ((path, words),) = wrong(project.results).items()
    assert path == "checkpoints/m-4"
    assert "checkpoints/m-0" in words


def test_a_parent_that_is_gone(project, wrong):
    shutil.rmtree(project.results / "data" / "y")
    assert set(wrong(project.results)) == {"features/dataset/y", "references/y"}


SWAPPED = {
    "samples/a samples/b": "samples/a samples/b features/a features/b metrics/a.json metrics/b.json",
    "training/m-9.csv training/n-4.csv": "training/m-9.csv training/n-4.csv",
    "data/x data/y": "data/x data/y extractors/g features/dataset/x features/dataset/y references/x references/y "
    "checkpoints/m-4 checkpoints/m-9 checkpoints/n-4",
    "downloads/samples/old downloads/samples/new": "downloads/samples/old downloads/samples/new "
    "samples/old samples/new",
}
"""What is wrong when two artifacts have changed places."""


@pytest.mark.parametrize("swapped", SWAPPED)
def test_two_sound_artifacts_that_changed_places_are_named(project, wrong, swapped):
    swap(*(project.results / path for path in swapped.split()))
    # The page shows logs of training.
    assert set(wrong(project.results)) - {"report.json"} == set(SWAPPED[swapped].split())


def test_a_log_beside_a_damaged_checkpoint_is_not_blamed(project, wrong):
    flip(project.results / "checkpoints" / "n-4" / MANIFEST)
    assert set(wrong(project.results)) == {"checkpoints/n-4", "samples/b"}


BROKEN = {
    "no manifest": ("samples/a/manifest.json", None),
    "a manifest that is no JSON": ("samples/a/manifest.json", b"{"),
    "a manifest without a stage": ("samples/a/manifest.json", sealed_json({"inputs": {}})),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_is_one_line(project, wrong, case):
    name, content = BROKEN[case]
    file = project.results / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    words = wrong(project.results)[name.removesuffix("/manifest.json")]
    assert words.startswith(f"{file.name}: ")
    assert "\n" not in words


def test_another_maker_is_named(project, wrong):
    edit_json(project.results / "sizes.json", lambda content: content["made_by"].update(stage="measure"))
    assert "'measure'" in wrong(project.results)["sizes.json"]


def test_a_change_of_code_is_told_and_is_no_mistake(project, verify):
    project.edit_code("train", "\n# A comment.\n")
    assert "; 0 made by other code" in verify(project.results)[1]
    project.edit_code("train")
    wrong, out = verify(project.results)
    assert wrong == {}
    assert "; 3 made by other code" in out
    assert "checkpoints/m-9" in out


def test_the_results_of_the_params_file_are_meant_where_none_are_given(project, adm):
    assert adm("verify") == adm("verify", project.results)
    text = project.params.read_text()
    project.params.write_text(text.replace("learning_rate: 1", "learning_rate: 2", 1))
    assert text != project.params.read_text()
    assert (adm("verify")[0], adm("verify", project.results)[0]) == (1, 0)


def test_what_is_stale_is_not_published(project, refused):
    project.params.write_text(project.params.read_text().replace("learning_rate: 1", "learning_rate: 2", 1))
    assert "learning_rate" in refused("publish")
    assert not (project.folder / "results" / "published").exists()


def test_no_results_are_not_sound_results(project, refused):
    shutil.rmtree(project.results)
    assert str(project.results.name) in refused("verify")


USAGE = {
    "missing folder": ("none", "none"),
    "results of params that are broken": ("broken", "broken/params.yaml"),
}


@pytest.mark.parametrize("case", USAGE)
def test_bad_usage_is_one_line_and_exit_code_2(refused, project, case):
    (project.folder / "broken").mkdir()
    (project.folder / "broken" / "params.yaml").write_text("paths: 3\n")
    arguments, named = USAGE[case]
    err = refused("verify", arguments)
    assert err.startswith(f"{named}: ")
