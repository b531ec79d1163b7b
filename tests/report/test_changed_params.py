"""What was made with another section of the params file than stands there now is shown by no table and no figure."""

import csv

import numpy as np
import pytest
import yaml
from damage import swap

from adm.artifacts.comparison import TABLE_COLUMNS
from adm.artifacts.manifest import dump_sections, fingerprint, provenance, write_manifest
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.artifacts.writing import new_folder
from adm.data.shards import write_shards
from adm.params import UserError
from adm.params.load import load, write
from adm.params.needs import needs_of_figure, needs_of_table
from adm.report.artwork import draw
from adm.sampling.batch import write_batch
from adm.sampling.studies import (
    Interpolation,
    Likelihood,
    Neighbours,
    Variation,
    write_study,
)
from adm.stages import table as stage


def write_samples(folder, params, runs):
    images = np.random.default_rng(0).integers(0, 256, (500, 8, 8, 3)).astype(np.uint8)
    for run in runs:
        write_batch(folder / "samples" / run, "sample", params.scored[run], {}, images, np.arange(500) % 10)


def refusal(make):
    """The one line by which something is refused."""
    with pytest.raises(UserError) as refused:
        make()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def assert_refused(make, path, name, value):
    """The line names the artifact, the field and its value in the params file."""
    message = refusal(make)
    assert message.startswith(f"{path}: was made with {name} ")
    assert message.endswith(f" {value}")


def test_a_table_called_by_hand_after_an_edit_shows_no_old_score_beside_the_new_scale(
    adm, params, write_scores, tmp_path
):
    run = "adm-128-4360"
    write_scores(tmp_path, params, needs_of_table(params, "table_8").metrics)
    content = yaml.safe_load(write(params)) | {"paths": {"results": str(tmp_path)}}

    def table():
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return adm("table", "table_8", "--params", tmp_path / "params.yaml")

    assert table()[0] == 0
    (tmp_path / "tables" / "table_8.md").unlink()
    before = content["runs"][run]["gradient_scale"]
    content["runs"][run]["gradient_scale"] = before + 0.25
    found = f"was made with gradient_scale {before}, but the params file has {before + 0.25}"
    assert table() == (2, "", f"error: {tmp_path / 'metrics' / run}.json: {found}\n")
    assert not (tmp_path / "tables" / "table_8.md").exists()


@pytest.mark.parametrize("name", ["table_6", "table_8", "table_10", "appendix_k", "further"])
def test_a_table_of_two_runs_whose_metrics_changed_places_is_refused(
    params, placed, write_scores, write_sizes, tmp_path, name
):
    needs = needs_of_table(params, name)
    first, second, *_ = needs.metrics
    write_scores(tmp_path, params, needs.metrics)
    write_sizes(tmp_path, params, parameters=1, forward_flops=1)
    inputs = placed(needs, tmp_path)
    stage.run(name, params.tables[name], params, inputs, tmp_path / "before")
    swap(inputs["metrics"][first], inputs["metrics"][second])
    message = refusal(lambda: stage.run(name, params.tables[name], params, inputs, tmp_path / "after"))
    assert message.startswith(f"{inputs['metrics'][first]}: was made with ")
    assert not (tmp_path / "after.csv").exists()


@pytest.mark.parametrize(
    ("name", "model"),
    [("table_10", "adm-128"), ("table_11", "adm-128"), ("table_12", "classifier-128"), ("table_13", "adm-u")],
)
def test_a_table_of_models_is_not_made_of_the_sizes_of_others(
    params, placed, changed, write_scores, write_sizes, tmp_path, name, model
):
    needs = needs_of_table(params, name)
    write_scores(tmp_path, params, needs.metrics)
    write_sizes(tmp_path, params, parameters=1, forward_flops=1)
    inputs = placed(needs, tmp_path)
    stage.run(name, params.tables[name], params, inputs, tmp_path / "before")
    network = params.models[model].network
    other = changed(params, "models", model, network=network.model_copy(update={"channels": 96}))
    message = refusal(lambda: stage.run(name, other.tables[name], other, inputs, tmp_path / "after"))
    found = f"was made with network.channels {network.channels}, but the params file has 96"
    assert message == f"{tmp_path / 'sizes.json'}: {found}"


def test_a_throughput_of_another_model_or_of_other_batches_is_refused(params, placed, changed, tmp_path):
    inputs = placed(needs_of_table(params, "table_7"), tmp_path)
    (tmp_path / "throughput").mkdir()
    for key, path in inputs["throughput"].items():
        speed = {"batch_size": 4, "images_per_second": [9.0]}
        content = {"forward_flops": 1, "peak_flops": 1, "device": "", "threads": 1, "naive": speed, "optimised": speed}
        made_by = provenance("throughput", params.sections_of_throughput(key), {}, [])
        write_sealed_json(path, {**content, "made_by": made_by})
    stage.run("table_7", params.tables["table_7"], params, inputs, tmp_path / "before")
    with (tmp_path / "before.csv").open(newline="") as file:
        assert set(next(csv.reader(file))) > TABLE_COLUMNS
    first = next(iter(params.throughput))
    training = params.models[params.throughput[first].model].training
    other = changed(params, "throughput", first, naive_batch=99)
    assert "was made with naive_batch" in refusal(
        lambda: stage.run("table_7", other.tables["table_7"], other, inputs, tmp_path / "after")
    )
    batch = training.model_copy(update={"batch_size": 99})
    other = changed(params, "models", params.throughput[first].model, training=batch)
    message = refusal(lambda: stage.run("table_7", other.tables["table_7"], other, inputs, tmp_path / "after"))
    assert f"was made with training.batch_size {training.batch_size}, but the params file has 99" in message


@pytest.mark.parametrize("name", ["figure_5", "figure_5_seconds", "figure_6", "figure_11"])
def test_a_figure_of_two_runs_whose_metrics_changed_places_is_refused(params, placed, write_scores, tmp_path, name):
    needs = needs_of_figure(params, name)
    first, second, *_ = needs.metrics
    write_scores(tmp_path, params, needs.metrics)
    inputs = placed(needs, tmp_path)
    swap(inputs["metrics"][first], inputs["metrics"][second])
    assert f"{first}.json: was made with " in refusal(lambda: draw(params, params.figures[name], inputs))


def test_a_figure_of_two_trainings_whose_logs_changed_places_is_refused(params, placed, write_scores, tmp_path):
    needs = needs_of_figure(params, "figure_5_seconds")
    write_scores(tmp_path, params, needs.metrics)
    inputs = placed(needs, tmp_path)
    (tmp_path / "training").mkdir()
    for segment, path in inputs["training"].items():
        made_with = fingerprint(dump_sections(params.sections_of_segment(segment)))
        write_sealed_csv(path, "step,seconds,images_per_second,loss\n1,3600.0,1,1\n", made_with)
    assert draw(params, params.figures["figure_5_seconds"], inputs).figure.axes
    first, second, *_ = inputs["training"].values()
    swap(first, second)
    assert refusal(lambda: draw(params, params.figures["figure_5_seconds"], inputs)).startswith(
        f"{first}: was made with "
    )


@pytest.mark.parametrize("name", ["figure_12", "figure_13", "figure_18"])
def test_a_figure_of_the_samples_of_another_run_is_refused(params, placed, changed, tmp_path, name):
    needs = needs_of_figure(params, name)
    run = needs.samples[0]
    write_samples(tmp_path, params, needs.samples)
    inputs = placed(needs, tmp_path)
    assert draw(params, params.figures[name], inputs).figure.axes
    (kind,) = (kind for kind in ("runs", "upsampled_runs", "gan_runs") if run in getattr(params, kind))
    other = changed(params, kind, run, seed=99)
    assert_refused(lambda: draw(other, other.figures[name], inputs), inputs["samples"][run], "seed", 99)


def test_a_figure_of_the_images_of_another_dataset_is_refused(params, placed, changed, tmp_path):
    needs = needs_of_figure(params, "figure_9")
    inputs = placed(needs, tmp_path)
    for key, path in inputs["data"].items():
        section = params.datasets[key]
        with new_folder(path) as folder:
            write_shards(folder, images(500), np.arange(500) % 10, section.shard_size)
            write_manifest(folder, provenance("prepare", {"dataset": section}, {}, []))
    write_samples(tmp_path, params, needs.samples)
    assert draw(params, params.figures["figure_9"], inputs).figure.axes
    other = changed(params, "datasets", needs.data[0], limit=99)
    assert_refused(lambda: draw(other, other.figures["figure_9"], inputs), inputs["data"][needs.data[0]], "limit", 99)


def images(*shape):
    return np.zeros((*shape, 8, 8, 3), np.uint8)


def write_nothing(folder, params, kind, key):
    """A study of nothing, made with the section of its key."""
    section, two = getattr(params, kind)[key], np.zeros(2)
    match kind:
        case "variations":
            study = Variation(images(2, len(section.scales)), np.array(section.scales, float), np.zeros(2, np.int64))
            write_study(folder, study, {}, variation=section, run=params.runs[section.run])
        case "interpolations":
            study = Interpolation(images(1, 2), images(1, 3), np.zeros((1, 2), np.int64), two, two, two)
            write_study(folder, study, {}, interpolation=section)
        case "likelihoods":
            whole = np.arange(2)
            study = Likelihood(whole, two + 1, two, two, whole, whole, two, two)
            write_study(folder, study, {}, likelihood=section)
        case "neighbours":
            study = Neighbours(np.zeros((2, 3), np.int64), np.zeros((2, 3)), two, np.zeros(2, bool))
            write_study(folder, study, {}, neighbours=section)


STUDIES = {
    "variations": {"num_samples": 99},
    "interpolations": {"gradient_scale": 99.0},
    "likelihoods": {"seed": 99},
    "neighbours": {"threads": 99},
}


FIGURES = {
    "variations": "figure_8",
    "interpolations": "figure_10a",
    "likelihoods": "likelihood",
    "neighbours": "figure_7",
}


@pytest.mark.parametrize("kind", STUDIES)
def test_a_figure_of_a_study_that_was_made_otherwise_is_refused(params, placed, changed, tmp_path, kind):
    figure = FIGURES[kind]
    needs = needs_of_figure(params, figure)
    inputs = placed(needs, tmp_path)
    for study, path in inputs["studies"].items():
        write_nothing(path, params, kind, study)
    if kind != "neighbours":  # of which more would have to be there
        assert draw(params, params.figures[figure], inputs).figure.axes
    first = needs.studies[0]
    other = changed(params, kind, first, **STUDIES[kind])
    ((name, value),) = STUDIES[kind].items()
    assert_refused(lambda: draw(other, other.figures[figure], inputs), inputs["studies"][first], name, value)


def test_a_variation_of_a_run_that_changed_is_refused(params, placed, changed, tmp_path):
    study = params.figures["figure_8"].study
    inputs = placed(needs_of_figure(params, "figure_8"), tmp_path)
    write_nothing(inputs["studies"][study], params, "variations", study)
    other = changed(params, "runs", params.variations[study].run, seed=99)
    assert "was made with seed" in refusal(lambda: draw(other, other.figures["figure_8"], inputs))


def test_a_section_with_its_defaults_written_out_or_left_out_is_the_same(root, params, placed, write_scores, tmp_path):
    needs = needs_of_table(params, "table_8")
    assert "precision: float32" not in (root / "params.yaml").read_text()
    write_scores(tmp_path, params, needs.metrics)
    (tmp_path / "params.yaml").write_text(write(params))
    assert "precision: float32" in write(params)
    read = load(tmp_path / "params.yaml")
    stage.run("table_8", read.tables["table_8"], read, placed(needs, tmp_path), tmp_path / "t")
    assert (tmp_path / "t.csv").exists()
