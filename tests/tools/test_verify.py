"""`verify`: whatever happened to an artifact is named, and nothing else is."""

import json
import shutil

import pytest
from damage import sealed_json, swap

from adm.artifacts import code
from adm.artifacts.manifest import MANIFEST, fingerprint, provenance, read_made_by, read_manifest, write_manifest
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.params.section import Section

SOUND = "9 artifacts: 9 sound, 0 wrong; 0 made by other code; 14 files of which no manifest tells\n"
FILES = {
    "data/digits": "images.npy",
    "extractors/digits": "graph.pb",
    "checkpoints/m-0": "ema.safetensors",
    "checkpoints/m-9": "progress.json",
    "samples/run": "samples.npz",
    "references/digits/features": "features.npz",
}
CHANGED = "inputs that changed, were made anew or are gone:"


def flip(path, position=-1):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_bytes(sealed_json(content))


def lines_of(adm, results):
    """The lines that name what is wrong."""
    exit_code, out, err = adm("verify", results)
    *lines, last = out.splitlines()
    wrong = [line for line in lines if not line.startswith("made by other code of ")]
    assert (exit_code, err) == (int(bool(wrong)), "")
    assert f"{len(wrong)} wrong" in last
    return wrong


def test_sound_results(adm, results, tmp_path):
    assert adm("verify", results) == (0, SOUND, "")
    assert adm("verify", results, "--out", tmp_path / "report.json") == (0, SOUND, "")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"] == {"artifacts": 9, "sound": 9, "wrong": 0, "other_code": 0, "unrecorded": 14}
    assert report["artifacts"]["checkpoints/m-9"] == {
        "stage": "train",
        "wrong": [],
        "is_of_other_code": False,
        "may_be_of_other_python": False,
        "inputs": {"data": "data/digits", "previous": "checkpoints/m-0"},
    }
    assert report["artifacts"]["claims.json"]["inputs"] == {
        "metrics/run.json": "metrics/run.json",
        "throughput/t.json": "throughput/t.json",
    }


@pytest.mark.parametrize("path", FILES)
def test_a_flipped_byte_is_named(adm, results, path):
    flip(results / path / FILES[path])
    assert lines_of(adm, results) == [
        f"{path}: {FILES[path]}: is not the file that was written: its sha256 differs from the manifest's"
    ]


@pytest.mark.parametrize("path", FILES)
def test_a_missing_and_an_extra_file_are_named(adm, results, path):
    file = results / path / FILES[path]
    file.rename(file.with_name("other.bin"))
    assert lines_of(adm, results) == [
        f"{path}: {file.name}: does not exist, though the manifest names it; other.bin: is not in the manifest"
    ]


def test_a_folder_in_an_artifact_is_extra(adm, results):
    (results / "samples" / "run" / "more").mkdir()
    (results / "samples" / "run" / "more" / "a.npz").touch()
    assert lines_of(adm, results) == ["samples/run: more/a.npz: is not in the manifest"]


def test_a_change_of_a_manifest_shows_in_its_children(adm, results):
    edit_json(results / "checkpoints" / "m-0" / MANIFEST, lambda content: content["facts"].update(step=1))
    assert lines_of(adm, results) == [f"checkpoints/m-9: {CHANGED} previous (m-0)"]


def test_a_changed_number_of_a_metric_shows_in_the_claims(adm, results):
    edit_json(results / "metrics" / "run.json", lambda content: content["metrics"].update(fid=3.0))
    assert lines_of(adm, results) == [f"claims.json: {CHANGED} metrics/run.json"]


def test_a_parent_that_is_gone(adm, results):
    shutil.rmtree(results / "data")
    assert lines_of(adm, results) == [
        f"checkpoints/m-9: {CHANGED} data (digits)",
        f"extractors/digits: {CHANGED} data (digits)",
        f"references/digits/features: {CHANGED} images (digits)",
    ]


def test_a_parent_replaced_by_another_artifact_that_is_sound(adm, results):
    """All identities are still there, but one is elsewhere."""
    first, last = results / "checkpoints" / "m-0", results / "checkpoints" / "m-9"
    first.rename(results / "kept")
    last.rename(first)
    (results / "kept").rename(last)
    assert lines_of(adm, results) == [
        "checkpoints/m-0: input previous (m-0): lies at checkpoints/m-9 now",
        "samples/run: input checkpoint (m-9): lies at checkpoints/m-0 now",
        "training/m-9.csv: m-9.csv: is of another training than checkpoints/m-9: the params differ",
    ]


class Numbered(Section):
    """A section that names no parent."""

    number: int


def write_folder(path, stage, number, **inputs):
    """An artifact of which each number has another content."""
    path.mkdir(parents=True)
    (path / "content.bin").write_bytes(bytes([number]))
    write_manifest(path, provenance(stage, {"section": Numbered(number=number)}, inputs, []))
    return path


@pytest.fixture
def twins(tmp_path):
    """What two runs a and b, two references a and b of the datasets x and y, and two trainings a and b leave."""
    folder = tmp_path / "twins"
    (folder / "metrics").mkdir(parents=True)
    (folder / "training").mkdir()
    for number, (key, dataset) in enumerate(["ax", "by"]):
        graph = write_folder(folder / "downloads" / "graphs" / key, "fetch", number)
        write_folder(folder / "extractors" / key, "adopt", number, source=graph)
        data, reference = write_folder(folder / "data" / dataset, "prepare", number), folder / "references" / key
        of_dataset = write_folder(reference / "dataset_features", "features", number, images=data)
        batch = write_folder(reference / "batch", "reference", number, features=of_dataset, data=data)
        write_folder(reference / "features", "features", number, images=batch)
        samples = write_folder(folder / "samples" / key, "sample", number)
        features = write_folder(folder / "features" / key, "features", number, images=samples)
        inputs = {"samples": samples, "features": features}
        made_by = provenance("evaluate", {"run": Numbered(number=number)}, inputs, [])
        write_sealed_json(folder / "metrics" / f"{key}.json", {"made_by": made_by})
        trained = read_made_by(write_folder(folder / "checkpoints" / key, "train", number), "train")
        write_sealed_csv(folder / "training" / f"{key}.csv", "step\n1\n", fingerprint(trained.params))
    return folder


SWAPPED = {
    "metrics/{}.json": {
        "metrics/{}.json": (
            "input samples ({0}): lies at samples/{1} now; input features ({0}): lies at features/{1} now"
        ),
    },
    "features/{}": {
        "features/{}": "input images ({0}): lies at samples/{1} now",
        "metrics/{}.json": "input features ({0}): lies at features/{1} now",
    },
    "samples/{}": {
        "features/{}": "input images ({0}): lies at samples/{1} now",
        "metrics/{}.json": "input samples ({0}): lies at samples/{1} now",
    },
    "training/{}.csv": {"training/{}.csv": "{0}.csv: is of another training than checkpoints/{0}: the params differ"},
    "checkpoints/{}": {"training/{}.csv": "{0}.csv: is of another training than checkpoints/{0}: the params differ"},
    "references/{}/dataset_features": {
        "references/{}/batch": "input features ({0}): lies at references/{1}/dataset_features now"
    },
    "references/{}/batch": {
        "references/{}/batch": "input features ({0}): lies at references/{1}/dataset_features now",
        "references/{}/features": "input images ({0}): lies at references/{1}/batch now",
    },
    "references/{}/features": {"references/{}/features": "input images ({0}): lies at references/{1}/batch now"},
    "extractors/{}": {"extractors/{}": "input source ({0}): lies at downloads/graphs/{1} now"},
}


def test_twins_are_sound(adm, twins):
    assert lines_of(adm, twins) == []


@pytest.mark.parametrize("swapped", SWAPPED)
def test_two_sound_artifacts_that_changed_places_are_named(adm, twins, swapped):
    swap(twins / swapped.format("a"), twins / swapped.format("b"))
    expected = [
        f"{path.format(key)}: {words.format(key, other)}"
        for path, words in SWAPPED[swapped].items()
        for key, other in ("ab", "ba")
    ]
    assert lines_of(adm, twins) == sorted(expected)


def test_a_log_without_its_checkpoint_tells_nothing_and_one_beside_a_damaged_one_is_not_blamed(adm, twins):
    shutil.rmtree(twins / "checkpoints" / "a")
    flip(twins / "checkpoints" / "b" / MANIFEST)
    (line,) = lines_of(adm, twins)
    assert line.startswith("checkpoints/b: manifest.json: is no")


def test_equal_artifacts_stand_for_each_other(adm, results):
    shutil.copytree(results / "data" / "digits", results / "data" / "copy")
    assert lines_of(adm, results) == []


def test_many_mistakes_are_counted_not_listed(adm, results):
    for number in range(5):
        (results / "data" / "digits" / f"{number}.bin").touch()
    (line,) = lines_of(adm, results)
    assert line.endswith("2.bin: is not in the manifest; and 2 more")


BROKEN = {
    "no manifest": (
        "samples/run/manifest.json",
        None,
        "samples/run: manifest.json: does not exist; the folder holds samples.npz",
    ),
    "a manifest that is no JSON": (
        "samples/run/manifest.json",
        b"{",
        "samples/run: manifest.json: is no readable JSON (Expecting property name",
    ),
    "a manifest without a stage": (
        "samples/run/manifest.json",
        sealed_json({"inputs": {}}),
        "samples/run: manifest.json: does not tell what made it: stage: field required",
    ),
    "metrics that are no JSON": ("metrics/run.json", b"\xff", "metrics/run.json: run.json: is no readable JSON ("),
    "metrics of nothing": (
        "metrics/run.json",
        sealed_json({}),
        "metrics/run.json: run.json: does not tell what made it: it holds no object `made_by`",
    ),
    "metrics made by half": (
        "metrics/run.json",
        sealed_json({"made_by": {"stage": "evaluate"}}),
        "metrics/run.json: run.json: does not tell what made it: params: field required",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_is_one_line(adm, results, case):
    name, content, message = BROKEN[case]
    (results / name).unlink()
    if content is not None:
        (results / name).write_bytes(content)
    first, *others = sorted(lines_of(adm, results), key=lambda line: CHANGED in line)
    assert first.startswith(message)
    assert all(CHANGED in line for line in others)


def test_a_link_to_nothing_is_one_line(adm, results):
    file = results / "samples" / "run" / "samples.npz"
    file.unlink()
    file.symlink_to("gone.npz")
    assert lines_of(adm, results) == ["samples/run: samples.npz: cannot be read: No such file or directory"]


def test_params_that_are_no_sections_name_no_parents(adm, results):
    edit_json(results / "samples" / "run" / MANIFEST, lambda content: content.update(params={"run": "checkpoint"}))
    assert lines_of(adm, results) == [f"metrics/run.json: {CHANGED} features (run)"]


def test_an_unknown_stage_is_named(adm, results):
    def change(content):
        content["made_by"]["stage"] = "measure"

    edit_json(results / "claims.json", change)
    assert lines_of(adm, results) == ["claims.json: was made by 'measure', which is no stage"]


@pytest.fixture
def package(tmp_path, root, monkeypatch):
    """A copy of the package, which is today's code from here on."""
    copy = shutil.copytree(root / "adm", tmp_path / "adm", ignore=shutil.ignore_patterns("__pycache__"))
    caches = (code.code_digest, code._tree, code._normalised)

    def forget():
        for cache in caches:
            cache.cache_clear()

    monkeypatch.setattr(code, "PACKAGE", copy)
    forget()
    yield copy
    forget()


def test_a_change_of_comments_is_not_reported(adm, results, package):
    path = package / "stages" / "train.py"
    path.write_text('"""Another docstring."""\n\n# A comment.\n' + path.read_text().split('"""\n', 1)[1])
    assert adm("verify", results) == (0, SOUND, "")


def test_a_change_of_code_is_told_of_its_stage_and_is_no_mistake(adm, results, package):
    path = package / "stages" / "train.py"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    line = "made by other code of 'train' than today's: 1 artifacts\n"
    assert adm("verify", results) == (0, line + SOUND.replace("0 made by other", "1 made by other"), "")


def test_another_python_may_be_why_the_code_differs(adm, results):
    def change(content):
        content["made_by"].update(code="0" * 64, versions={"python": "3.99.1"})

    edit_json(results / "claims.json", change)
    exit_code, out, _ = adm("verify", results)
    assert (exit_code, out.splitlines()[0]) == (
        0,
        "made by other code of 'claims' than today's, or by the same under another Python: 1 artifacts",
    )


def test_verify_agrees_with_what_the_stages_check(results):
    """Every folder that is sound here is one that a stage would read."""
    for path in FILES:
        stage = json.loads((results / path / MANIFEST).read_text())["stage"]
        assert read_manifest(results / path, stage).stage == stage


USAGE = {
    "missing folder": ("{tmp}/none", "{tmp}/none: does not exist"),
    "a file": ("{tmp}/results/claims.json", "{tmp}/results/claims.json: is a file, not a results folder"),
    "an empty folder": ("{tmp}/empty", "{tmp}/empty: holds no artifact"),
    "a single artifact": (
        "{tmp}/results/data/digits",
        "{tmp}/results/data/digits: is a single artifact; give the results folder that holds it",
    ),
    "a report among the results": (
        "{tmp}/results --out {tmp}/results/report.json",
        "--out {tmp}/results/report.json: lies in {tmp}/results, of which it is no result; write it elsewhere",
    ),
    "a folder for the report": (
        "{tmp}/results --out {tmp}/empty",
        "--out {tmp}/empty: is a folder; the report is one json file",
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_bad_usage_is_one_line_and_exit_code_2(adm, results, tmp_path, case):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").touch()
    arguments, message = (text.format(tmp=tmp_path) for text in USAGE[case])
    assert adm("verify", *arguments.split()) == (2, "", f"error: {message}\n")
    assert not (results / "report.json").exists()
