"""No job reads an artifact that was made with another section of the params file, or of another input, than today's."""

import json
import shutil
from types import SimpleNamespace

import pytest
from damage import swap
from fabricated import fabricate

from adm.artifacts.manifest import MANIFEST
from adm.artifacts.seal import read_sealed_json, write_sealed_json
from adm.errors import UserError
from adm.params import load
from adm.pipeline import Pipeline, carrying


@pytest.fixture(scope="module")
def fabricated(root, tmp_path_factory):
    """All artifacts of a scale with every kind of job, in which no stage had a part."""
    folder = tmp_path_factory.mktemp("fabricated")
    return Pipeline(load(root / "tests" / "coloured.yaml"), fabricate(root / "tests" / "coloured.yaml", folder))


@pytest.fixture
def carried(fabricated, monkeypatch):
    """Carry a job out up to its stage: the one line by which it is refused; "" if its stage is called."""

    def carry(job):
        called = SimpleNamespace(run=lambda: None)
        monkeypatch.setattr(carrying, "import_module", lambda _: called)
        try:
            carrying.carry_out(fabricated, job, SimpleNamespace())
        except UserError as error:
            return str(error)
        return ""

    return carry


@pytest.fixture
def kept(tmp_path):
    """Put artifacts back as they were when the test ends: `kept(path)`."""
    copies = {}

    def keep(*paths):
        for path in paths:
            copies[path] = tmp_path / str(len(copies))
            (shutil.copytree if path.is_dir() else shutil.copy)(path, copies[path])

    yield keep
    for path, copy in copies.items():
        (shutil.rmtree(path), shutil.copytree(copy, path)) if path.is_dir() else shutil.copy(copy, path)


def read_by(pipeline):
    """Of each kind of job whose artifacts are read by other jobs, the name of one such job and of one that reads it."""
    pairs = {}
    for job in pipeline.jobs.values():
        for path in job.inputs.values():
            maker = pipeline.makers[path]
            if path == maker.outputs.get("out"):
                pairs.setdefault(maker.kind.name, (maker, job))
    return pairs


def test_every_job_is_carried_out_where_all_is_up_to_date(fabricated, carried):
    assert {name: told for name, job in fabricated.jobs.items() if (told := carried(job))} == {}


def test_what_was_made_with_another_value_is_refused_with_the_key_the_values_and_the_command(fabricated, carried):
    pairs = read_by(fabricated)
    assert len(pairs) > 15
    for maker, job in pairs.values():
        file = maker.out / MANIFEST if maker.out.is_dir() else maker.out
        content, before = read_sealed_json(file), file.read_bytes()
        record = content if file.name == MANIFEST else content["made_by"]
        name, section = next((name, section) for name, section in record["params"].items() if isinstance(section, dict))
        section["planted"] = 99
        write_sealed_json(file, content)
        told = carried(job)
        file.write_bytes(before)
        assert told == (
            f"{maker.out}: is out of date (params: {name}.planted 99 -> its default); "
            f"make it again: adm {' '.join(maker.command)}"
        )


def test_an_input_that_is_missing_is_told_with_what_makes_it(fabricated, carried, tmp_path):
    job = fabricated.of_kind("evaluate")[0]
    path = job.inputs["features"]
    aside = path.rename(path.with_name("aside"))
    told = carried(job)
    other = Pipeline(fabricated.params, fabricated.root, tmp_path / "other.yaml")
    with pytest.raises(UserError, match=rf"make it: snakemake --cores all {path} --configfile {other.file}$"):
        carrying.check_sound(other, *job.inputs.values())
    aside.rename(path)
    assert told == f"{path}: does not exist; make it: snakemake --cores all {path}"


def test_artifacts_that_changed_places_are_refused(fabricated, carried, kept):
    swapped = set()
    for job in fabricated.jobs.values():
        by_kind = {}
        for path in job.inputs.values():
            if "out" in (maker := fabricated.makers[path]).outputs:
                by_kind.setdefault(maker.kind.name, []).append(path)
        for kind, paths in by_kind.items():
            if kind not in swapped and len(paths) > 1:
                swapped.add(kind)
                kept(*paths[:2])
                swap(*paths[:2])
                assert carried(job).startswith(f"{paths[0]}: is out of date (params: ")
                swap(*paths[:2])
    assert swapped >= {"train", "evaluate", "sample", "neighbours"}


def test_what_was_made_of_another_input_is_refused_and_one_that_is_gone_is_not_asked_for(fabricated, carried, kept):
    features = fabricated.of_kind("features")[0]
    job = fabricated.jobs[f"evaluate/{features.key}"]
    kept(features.out)
    record = json.loads((features.out / MANIFEST).read_text())
    del record["sha256"]
    record["inputs"]["images"] = "0" * 64
    write_sealed_json(features.out / MANIFEST, record)
    samples = features.inputs["images"].relative_to(fabricated.root)
    assert f"(input {samples} is another one)" in carried(job)
    graph = features.inputs["graph"]
    record["inputs"] |= {"images": carrying.identity(features.inputs["images"]), "graph": "0" * 64}
    write_sealed_json(features.out / MANIFEST, record)
    assert "is another one" in carried(job)
    kept(graph)
    graph.rename(graph.with_name("aside"))
    assert carried(job) == ""
    graph.with_name("aside").rename(graph)


def test_a_record_that_leaves_a_section_out_is_refused_unless_an_earlier_version_wrote_it(fabricated, carried, kept):
    job = fabricated.of_kind("evaluate")[0]
    path = job.inputs["features"]
    kept(path)
    record = read_sealed_json(path / MANIFEST)
    write_sealed_json(path / MANIFEST, {**record, "params": {}})
    assert "params: extractor" in carried(job)
    write_sealed_json(path / MANIFEST, {**record, "params": {}, "code": "0" * 64})
    assert "params: " not in carried(job)


def test_what_an_input_is_made_from_is_looked_at_too(fabricated, carried, kept):
    job = fabricated.jobs["table/table_8"]
    evaluate = fabricated.makers[next(path for name, path in job.inputs.items() if name.startswith("metrics/"))]
    samples = fabricated.makers[evaluate.inputs["features"]].inputs["images"]
    checkpoint = fabricated.makers[samples].inputs["checkpoint"]
    kept(checkpoint)
    record = read_sealed_json(checkpoint / MANIFEST)
    record["params"]["model"]["planted"] = 99
    write_sealed_json(checkpoint / MANIFEST, record)
    # The samples are older than the record, so they are told, too; whichever is told, the table is not made.
    assert "is out of date" in carried(job)
    assert carried(fabricated.of_kind("report")[0]) == ""
