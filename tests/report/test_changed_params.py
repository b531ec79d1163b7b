"""What was made with another section of the params file than stands there now is shown by no table and no figure."""

import numpy as np
import pytest
import yaml
from damage import swap

from adm.artifacts.manifest import dump_sections, fingerprint, provenance, write_manifest
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.artifacts.writing import new_folder
from adm.data.shards import write_shards
from adm.params import UserError, load
from adm.params.models import UniformModelParams
from adm.params.needs import needs_of_figure, needs_of_table
from adm.report.drawn import Sources as FigureSources
from adm.report.drawn import draw, remark
from adm.report.metrics import METRICS
from adm.sampling.batch import write_batch
from adm.sampling.studies import (
    Interpolation,
    Likelihood,
    Neighbours,
    Variation,
    write_study,
)
from adm.stages import table as stage


@pytest.fixture(scope="module")
def params(root):
    return load(root / "params.yaml")


def changed(params, kind, key, **values):
    """The params file with other values of one key of a section."""
    sections = getattr(params, kind)
    return params.model_copy(update={kind: sections | {key: sections[key].model_copy(update=values)}})


def write_metrics(folder, params, runs):
    folder.mkdir(exist_ok=True)
    for number, run in enumerate(runs):
        content = {"metrics": dict.fromkeys(METRICS, 1.0 + number), "bootstrap": {"fid": [1.0, 2.0, 3.0]}}
        made_by = provenance("evaluate", {"run": params.scored[run]}, {}, [])
        write_sealed_json(folder / f"{run}.json", {**content, "made_by": made_by})
    return folder


def write_samples(folder, params, runs):
    images = np.random.default_rng(0).integers(0, 256, (500, 8, 8, 3)).astype(np.uint8)
    for run in runs:
        write_batch(folder / run, "sample", params.scored[run], {}, images, np.arange(500) % 10)
    return folder


def refusal(make):
    """The one line by which something is refused."""
    with pytest.raises(UserError) as refused:
        make()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_table_called_by_hand_after_an_edit_shows_no_old_score_beside_the_new_scale(adm, root, params, tmp_path):
    run = "adm-128-4360"
    metrics = write_metrics(tmp_path / "metrics", params, needs_of_table(params, "table_8").metrics)
    content = yaml.safe_load((root / "params.yaml").read_text())
    flags = ["--paper", root / "workflow" / "paper", "--metrics", metrics, "--out", tmp_path / "t"]

    def table():
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return adm("table", "--table", "table_8", "--params", tmp_path / "params.yaml", *flags)

    assert table()[0] == 0
    (tmp_path / "t.md").unlink()
    before = content["runs"][run]["gradient_scale"]
    content["runs"][run]["gradient_scale"] = before + 1
    expected = f"{metrics / run}.json: was made with gradient_scale {before}, but the params file has {before + 1}"
    assert table() == (2, "", f"error: {expected}\n")
    assert not (tmp_path / "t.md").exists()


@pytest.mark.parametrize("name", ["table_6", "table_8", "table_10", "appendix_k", "further"])
def test_a_table_of_two_runs_whose_metrics_changed_places_is_refused(root, params, tmp_path, name):
    first, second, *_ = runs = needs_of_table(params, name).metrics
    metrics = write_metrics(tmp_path / "metrics", params, runs)
    sources = stage.Sources(root / "workflow" / "paper", metrics, write_sizes(tmp_path / "sizes.json", params))
    stage.run(params, name, sources, tmp_path / "before")
    swap(metrics / f"{first}.json", metrics / f"{second}.json")
    message = refusal(lambda: stage.run(params, name, sources, tmp_path / "after"))
    assert message.startswith(f"{metrics / first}.json: was made with ")
    assert not (tmp_path / "after.csv").exists()


def write_sizes(path, params):
    networks = {key: model for key, model in params.models.items() if not isinstance(model, UniformModelParams)}
    sizes = {key: {"parameters": 1, "forward_flops": 1} for key in networks}
    write_sealed_json(path, {"models": sizes, "made_by": provenance("sizes", networks, {}, [])})
    return path


@pytest.mark.parametrize("name", ["table_10", "table_11", "table_12", "table_13"])
def test_a_table_of_models_is_not_made_of_the_sizes_of_others(root, params, tmp_path, name):
    metrics = write_metrics(tmp_path / "metrics", params, needs_of_table(params, name).metrics)
    sources = stage.Sources(root / "workflow" / "paper", metrics, write_sizes(tmp_path / "sizes.json", params))
    stage.run(params, name, sources, tmp_path / "before")
    network = params.models["adm-128"].network
    other = changed(params, "models", "adm-128", network=network.model_copy(update={"channels": 96}))
    message = refusal(lambda: stage.run(other, name, sources, tmp_path / "after"))
    found = f"was made with network.channels {network.channels}, but the params file has 96"
    assert message == f"{tmp_path / 'sizes.json'}: {found}"


def test_a_throughput_of_another_model_or_of_other_batches_is_refused(root, params, tmp_path):
    for key in params.throughput:
        speed = {"batch_size": 4, "images_per_second": [9.0]}
        content = {"forward_flops": 1, "peak_flops": 1, "device": "", "threads": 1, "naive": speed, "optimised": speed}
        made_by = provenance("throughput", params.sections_of_throughput(key), {}, [])
        write_sealed_json(tmp_path / f"{key}.json", {**content, "made_by": made_by})
    sources = stage.Sources(root / "workflow" / "paper", throughput=tmp_path)
    stage.run(params, "table_7", sources, tmp_path / "before")
    first = next(iter(params.throughput))
    training = params.models[params.throughput[first].model].training
    other = changed(params, "throughput", first, naive_batch=99)
    assert "was made with naive_batch" in refusal(lambda: stage.run(other, "table_7", sources, tmp_path / "after"))
    batch = training.model_copy(update={"batch_size": 99})
    other = changed(params, "models", params.throughput[first].model, training=batch)
    message = refusal(lambda: stage.run(other, "table_7", sources, tmp_path / "after"))
    assert f"was made with training.batch_size {training.batch_size}, but the params file has 99" in message


@pytest.mark.parametrize("name", ["figure_5", "figure_6", "figure_11"])
def test_a_figure_of_two_runs_whose_metrics_changed_places_is_refused(params, tmp_path, name):
    first, second, *_ = runs = needs_of_figure(params, name).metrics
    sources = FigureSources(metrics=write_metrics(tmp_path / "metrics", params, runs), training=tmp_path)
    swap(tmp_path / "metrics" / f"{first}.json", tmp_path / "metrics" / f"{second}.json")
    assert f"{first}.json: was made with " in refusal(lambda: draw(params, name, sources))


def test_a_figure_of_two_trainings_whose_logs_changed_places_is_refused(params, tmp_path):
    needs = needs_of_figure(params, "figure_5")
    sources = FigureSources(metrics=write_metrics(tmp_path / "metrics", params, needs.metrics), training=tmp_path)
    for segment in needs.training:
        made_with = fingerprint(dump_sections(params.sections_of_segment(segment)))
        write_sealed_csv(tmp_path / f"{segment}.csv", "step,seconds\n1,3600.0\n", made_with)
    assert draw(params, "figure_5", sources).axes
    first, second, *_ = needs.training
    swap(tmp_path / f"{first}.csv", tmp_path / f"{second}.csv")
    assert refusal(lambda: draw(params, "figure_5", sources)).startswith(f"{tmp_path / first}.csv: was made with ")


@pytest.mark.parametrize("name", ["figure_12", "figure_13", "figure_18"])
def test_a_figure_of_the_samples_of_another_run_is_refused(params, tmp_path, name):
    runs = needs_of_figure(params, name).samples
    sources = FigureSources(samples=write_samples(tmp_path, params, runs))
    assert draw(params, name, sources).axes
    (kind,) = (kind for kind in ("runs", "upsampled_runs", "gan_runs") if runs[0] in getattr(params, kind))
    other, before = changed(params, kind, runs[0], seed=99), params.scored[runs[0]].seed
    message = refusal(lambda: draw(other, name, sources))
    assert message == f"{tmp_path / runs[0]}: was made with seed {before}, but the params file has 99"


def test_a_figure_of_the_images_of_another_dataset_is_refused(params, tmp_path):
    figure = next(iter(params.figures.diversities))
    needs = needs_of_figure(params, figure)
    for key in needs.data:
        section = params.datasets[key]
        with new_folder(tmp_path / "data" / key) as folder:
            write_shards(folder, images(500), np.arange(500) % 10, section.shard_size)
            write_manifest(folder, provenance("prepare", {"dataset": section}, {}, []))
    sources = FigureSources(samples=write_samples(tmp_path, params, needs.samples), data=tmp_path / "data")
    assert draw(params, figure, sources).axes
    other = changed(params, "datasets", needs.data[0], limit=99)
    message = refusal(lambda: draw(other, figure, sources))
    assert message == f"{tmp_path / 'data' / needs.data[0]}: was made with limit None, but the params file has 99"


def images(*shape):
    return np.zeros((*shape, 8, 8, 3), np.uint8)


def write_empty_study(folder, params, kind, key):
    """A study of nothing, made with the section of its key."""
    section, two = getattr(params, kind)[key], np.zeros(2)
    match kind:
        case "variations":
            study = Variation(images(2, len(section.scales)), np.array(section.scales, float), np.zeros(2, np.int64))
            write_study(folder, study, {}, variation=section, run=params.runs[section.run])
        case "interpolations":
            study = Interpolation(images(1, 2), images(1, 3), np.zeros((1, 2), np.int64), two, two)
            write_study(folder, study, {}, interpolation=section)
        case "likelihoods":
            whole = np.arange(2)
            write_study(folder, Likelihood(whole, two + 1, two, two, whole, whole, two, two), {}, likelihood=section)
        case "neighbours":
            study = Neighbours(np.zeros((2, 3), np.int64), np.zeros((2, 3)), two, np.zeros(2, bool))
            write_study(folder, study, {}, neighbours=section)


STUDIES = {
    "variations": {"num_samples": 99},
    "interpolations": {"gradient_scale": 99.0},
    "likelihoods": {"seed": 99},
    "neighbours": {"threads": 99},
}


@pytest.mark.parametrize("kind", STUDIES)
def test_a_figure_of_a_study_that_was_made_otherwise_is_refused(params, tmp_path, kind):
    figure = next(iter(getattr(params.figures, kind)))
    studies = needs_of_figure(params, figure).studies
    for study in studies:
        write_empty_study(tmp_path / study, params, kind, study)
    sources = FigureSources(studies=tmp_path, samples=tmp_path, data=tmp_path)
    if kind != "neighbours":  # of which more would have to be there
        assert draw(params, figure, sources).axes
        remark(params, figure, sources)
    other = changed(params, kind, studies[0], **STUDIES[kind])
    ((name, value),) = STUDIES[kind].items()
    expected = f"{tmp_path / studies[0]}: was made with {name} {getattr(getattr(params, kind)[studies[0]], name)}, but"
    assert refusal(lambda: draw(other, figure, sources)) == f"{expected} the params file has {value}"


def test_a_variation_of_a_run_that_changed_is_refused(params, tmp_path):
    figure = next(iter(params.figures.variations))
    study = params.figure(figure).study
    write_empty_study(tmp_path / study, params, "variations", study)
    other = changed(params, "runs", params.variations[study].run, seed=99)
    message = refusal(lambda: draw(other, figure, FigureSources(studies=tmp_path)))
    assert "was made with seed" in message


def test_a_section_with_its_defaults_written_out_or_left_out_is_the_same(root, params, tmp_path):
    run = "adm-128-4360"
    assert "precision" not in yaml.safe_load((root / "params.yaml").read_text())["runs"][run]
    metrics = write_metrics(tmp_path / "metrics", params, needs_of_table(params, "table_8").metrics)
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["runs"][run] |= {"precision": "float32", "eta": 0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    stage.run(
        load(tmp_path / "params.yaml"), "table_8", stage.Sources(root / "workflow" / "paper", metrics), tmp_path / "t"
    )
    assert (tmp_path / "t.csv").exists()
