"""The manifest tells what made an artifact, and whether it is still what was written."""

import json

import pytest
from damage import sealed_json
from making import record, refusal_of

from adm.artifacts.manifest import MANIFEST, differing, identity, read_manifest, read_record, sha256, write_manifest
from adm.artifacts.seal import write_sealed_json
from adm.errors import UserError
from adm.params.data import DatasetParams

SECTION = DatasetParams(source="digits", image_size=8, num_classes=10, shard_size=100)


def make(folder, **changes):
    folder.mkdir()
    (folder / "a.bin").write_bytes(bytes(range(256)))
    (folder / "b.txt").write_text("b")
    section = SECTION.model_copy(update=changes)
    write_manifest(folder, record("prepare", {"dataset": section}, {}, ["numpy"]), {"num_images": 3})
    return folder


@pytest.fixture
def artifact(tmp_path):
    return make(tmp_path / "artifact")


def test_the_manifest_says_what_made_the_artifact(artifact):
    manifest = read_manifest(artifact, "sample", "prepare")
    assert manifest.stage == "prepare"
    assert manifest.params == {"dataset": SECTION.values()}
    assert manifest.facts == {"num_images": 3}
    assert manifest.files == {name: sha256(artifact / name) for name in ("a.bin", "b.txt")}
    assert set(manifest.versions) == {"python", "numpy", "scikit-learn"}


def test_the_manifest_is_the_same_bytes_every_time(artifact, tmp_path):
    again = make(tmp_path / "elsewhere")
    assert (again / MANIFEST).read_bytes() == (artifact / MANIFEST).read_bytes()
    assert str(tmp_path) not in (artifact / MANIFEST).read_text()


def test_several_who_take_turns_find_what_one_finds(artifact):
    (artifact / "b.txt").write_text("c")
    read_manifest(artifact, "prepare", checked=slice(0, None, 2))
    with pytest.raises(UserError, match=r"b\.txt: is not the file that was written"):
        read_manifest(artifact, "prepare", checked=slice(1, None, 2))


def test_a_missing_file_is_found(artifact):
    (artifact / "b.txt").unlink()
    assert refusal_of(read_manifest, artifact, "prepare").startswith(f"{artifact / 'b.txt'}: does not exist")


def test_an_artifact_of_another_stage_is_refused(artifact):
    assert (
        refusal_of(read_manifest, artifact, "init", "train")
        == f"{artifact}: was made by 'prepare', not by 'init' or 'train'"
    )


def test_what_is_no_manifest_is_refused(artifact):
    content = json.loads((artifact / MANIFEST).read_text())
    for other in (b"", b"[]", b"{}", sealed_json({"stage": 3}), sealed_json({"clock": "noon", **content})):
        (artifact / MANIFEST).write_bytes(other)
        assert refusal_of(read_manifest, artifact, "prepare").startswith(f"{artifact / MANIFEST}: ")


def test_a_file_of_json_tells_itself_what_made_it(artifact, tmp_path):
    path = tmp_path / "metrics.json"
    made_by = record("evaluate", {"dataset": SECTION}, {"data": artifact}, [])
    write_sealed_json(path, {"fid": 3.0, "made_by": {**made_by, "facts": {"a": 1}}})
    found = read_record(path)
    assert (found.stage, found.inputs, found.facts) == ("evaluate", {"data": identity(artifact)}, {"a": 1})
    write_sealed_json(path, {"fid": 3.0})
    with pytest.raises(UserError, match="made_by"):
        read_record(path)


def test_a_manifest_holds_no_defaults_so_that_new_fields_change_none(artifact):
    held = read_record(artifact).params["dataset"]
    assert held == {key: value for key, value in SECTION.model_dump(mode="json").items() if key in held}
    assert set(held) < set(type(SECTION).model_fields)
    assert list(differing(held, SECTION.values())) == []


def test_what_differs_is_told_by_its_dotted_key_be_it_a_default_on_one_side():
    found, wanted = {"a": {"b": 1, "c": [2]}, "gone": 3}, {"a": {"b": 2, "c": [2]}, "new": 4}
    told = {key: values for key, *values in differing(found, wanted)}
    assert set(told) == {"a.b", "gone", "new"}
    assert told["a.b"] == [1, 2]


def test_identity_follows_content_params_and_parents(artifact, tmp_path):
    assert identity(artifact) == identity(make(tmp_path / "same"))
    assert identity(artifact) != identity(make(tmp_path / "other", shard_size=99))
    child = record("sample", {}, {"data": artifact}, [])
    assert child["inputs"] == {"data": identity(artifact)}
    (artifact / "b.txt").write_text("c")
    write_manifest(artifact, record("prepare", {"dataset": SECTION}, {}, ["numpy"]), {"num_images": 3})
    assert record("sample", {}, {"data": artifact}, [])["inputs"] != child["inputs"]
