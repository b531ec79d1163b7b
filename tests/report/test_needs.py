"""What each table, each figure and the claims are made from: enough to make them, and no more."""

import numpy as np
import pytest
import yaml

from adm.artifacts.manifest import dump_sections, fingerprint, provenance
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.params import check, load
from adm.params.models import UniformModelParams
from adm.params.needs import needs_of_claims, needs_of_figure, needs_of_table
from adm.params.report import FIGURES, PAPER_FIGURES, PAPER_TABLES, TABLES, Needs, is_key, keys_in
from adm.report.drawn import Sources as FigureSources
from adm.report.drawn import draw, remark
from adm.report.metrics import METRICS
from adm.sampling.batch import write_batch
from adm.sampling.studies import Likelihood, write_study
from adm.stages import table as stage

KINDS = ("metrics", "samples", "data", "training", "studies", "throughput")


@pytest.fixture(scope="module")
def params(root):
    return load(root / "params.yaml")


@pytest.fixture(scope="module")
def content(root):
    return yaml.safe_load((root / "params.yaml").read_text())


def section(params, name):
    return getattr(params.tables, name)


def needed(needs):
    """The kinds of which something is needed."""
    return {kind for kind in KINDS if getattr(needs, kind)} | ({"sizes"} if needs.sizes else set())


def test_the_papers_tables_and_figures_are_all_there():
    assert (*(f"table_{number}" for number in range(6, 17)), "appendix_k") == PAPER_TABLES
    assert TABLES[: len(PAPER_TABLES)] == PAPER_TABLES
    assert FIGURES[: len(PAPER_FIGURES)] == PAPER_FIGURES
    numbers = [name.removeprefix("figure_") for name in PAPER_FIGURES]
    assert len(set(numbers)) == 25
    assert {int(number.rstrip("abc")) for number in numbers} == set(range(5, 28))
    assert {number for number in numbers if not number.isdigit()} == {"10a", "10b", "10c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adm-128-4360", True),
        ("scale-0_5", True),
        ("0", True),
        ("no third resolution", False),
        ("Not here", False),
        ("Run", False),
        ("-run", False),
        ("", False),
        ("a\n", False),
    ],
)
def test_a_key_is_told_from_a_reason(text, expected):
    assert is_key(text) is expected


def test_keys_stand_once_and_in_order():
    assert keys_in(["b", "no reason", "a", "b", "c", "a"]) == ["b", "a", "c"]
    assert keys_in([]) == []
    assert keys_in(["only words here"]) == []


def test_needs_are_listed_by_kind():
    needs = Needs(metrics=["a"], data=["b"], sizes=True)
    assert dict(needs.items()) == {
        "metrics": ["a"],
        "samples": [],
        "data": ["b"],
        "training": [],
        "studies": [],
        "throughput": [],
    }


EXPECTED_KINDS = {
    **{key: {"metrics"} for key in ("table_6", "table_8", "table_9", "table_15", "table_16", "appendix_k", "further")},
    "table_7": {"throughput"},
    "table_10": {"metrics", "sizes"},
    **{key: {"sizes"} for key in ("table_11", "table_12", "table_13")},
    "table_14": set(),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_needs_what_its_rows_name_and_nothing_for_a_reason(params, name):
    needs = needs_of_table(params, name)
    assert needed(needs) == EXPECTED_KINDS[name]
    rows = getattr(section(params, name), "rows", getattr(section(params, name), "models", []))
    named = {source for source in rows if " " not in source}
    assert {*needs.metrics, *needs.throughput} == named
    assert len(needs.metrics) == len(set(needs.metrics))


def test_a_table_of_reasons_needs_nothing(params):
    reasons = section(params, "table_8").model_copy(update={"rows": ["nothing was trained here"] * 5})
    tables = params.tables.model_copy(update={"table_8": reasons})
    assert needed(needs_of_table(params.model_copy(update={"tables": tables}), "table_8")) == set()


def test_an_ablation_needs_the_metrics_of_its_runs_and_the_logs_of_all_training_up_to_them(params):
    needs = needs_of_figure(params, "figure_5")
    panels = params.figure("figure_5").panels
    runs = {run for curves in panels.values() for curve in curves.values() for run in curve}
    assert set(needs.metrics) == runs
    # Every log up to the run's checkpoint, found by walking from the checkpoints' files: previous by previous.
    expected = set()
    for run in runs:
        checkpoint = params.runs[run].checkpoint
        while checkpoint in params.segments:
            expected.add(checkpoint)
            checkpoint = params.segments[checkpoint].previous
    assert set(needs.training) == expected
    assert len(needs.training) == len(expected)
    assert {"ablation-base-100", "ablation-base-200", "ablation-base-400"} <= expected


def test_a_chain_runs_from_the_first_segment_to_the_last(params):
    assert params.chain("adm-128-1000") == ["adm-128-250", "adm-128-450", "adm-128-500", "adm-128-1000"]
    assert params.chain("adm-128-0") == []
    stops = [params.segments[step].stop for step in params.chain("adm-256-1980")]
    assert stops == sorted(stops)
    assert stops[-1] == 1980


def test_neighbours_need_the_study_its_samples_and_its_dataset(params):
    needs = needs_of_figure(params, "figure_7")
    studies = list(params.figure("figure_7").blocks.values())
    assert needs.studies == studies
    assert needs.samples == [params.neighbours[study].run for study in studies]
    assert needs.data == ["digits"]


def test_a_figure_of_likelihoods_needs_its_studies_alone(params):
    needs = needs_of_figure(params, "likelihood")
    assert needs.studies == list(params.likelihoods)
    assert needed(needs) == {"studies"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_needs_keys_that_exist(params, name):
    sections = {
        "metrics": params.scored,
        "samples": params.scored,
        "data": params.datasets,
        "training": params.segments,
        "studies": params.studies,
        "throughput": params.throughput,
    }
    for kind, keys in needs_of_figure(params, name).items():
        assert set(keys) <= set(sections[kind])


def test_an_absent_figure_needs_nothing(content):
    data = yaml.safe_load(yaml.safe_dump(content))
    del data["figures"]["random_grids"]["figure_18"]
    data["figures"]["absent"]["figure_18"] = {"reason": "nobody asked for it"}
    changed = check(data, "params.yaml")
    assert needed(needs_of_figure(changed, "figure_18")) == set()
    assert changed.figures.kind_of("figure_18") == "absent"
    assert draw(changed, "figure_18", FigureSources()).texts[0].get_text() == "nobody asked for it"


def test_claims_need_what_each_names(params):
    needs = needs_of_claims(params)
    words = {
        word
        for claim in params.claims.values()
        for value in claim.model_dump(exclude={"statement", "source", "kind", "metric"}).values()
        for word in (value if isinstance(value, list) else [value])
        if isinstance(word, str)
    }
    assert set(needs.metrics) == words & set(params.scored)
    assert set(needs.studies) == words & set(params.studies)
    assert set(needs.throughput) == words & set(params.throughput)
    assert needs.sizes


# With exactly what is named in a folder, and nothing beside it, a table or a figure can be made.


def write_metrics(folder, params, runs):
    folder.mkdir()
    for number, run in enumerate(runs):
        content = {"metrics": dict.fromkeys(METRICS, 1.0 + number), "bootstrap": {"fid": [1.0, 2.0, 3.0]}}
        made_by = provenance("evaluate", {"run": params.scored[run]}, {}, [])
        write_sealed_json(folder / f"{run}.json", {**content, "made_by": made_by})
    return folder


@pytest.mark.parametrize("name", [name for name in TABLES if "throughput" not in EXPECTED_KINDS[name]])
def test_a_table_is_made_from_its_needs_alone(root, params, tmp_path, name):
    needs = needs_of_table(params, name)
    sizes = None
    if needs.sizes:
        sizes = tmp_path / "sizes.json"
        models = {key: model for key, model in params.models.items() if not isinstance(model, UniformModelParams)}
        size, made_by = {"parameters": 1, "forward_flops": 1}, provenance("sizes", models, {}, [])
        write_sealed_json(sizes, {"models": dict.fromkeys(models, size), "made_by": made_by})
    metrics = write_metrics(tmp_path / "metrics", params, needs.metrics) if needs.metrics else None
    stage.run(params, name, stage.Sources(root / "workflow" / "paper", metrics, sizes), tmp_path / "out")
    assert (tmp_path / "out.tex").exists()


@pytest.mark.parametrize("name", ["figure_5", "figure_6", "figure_11"])
def test_a_figure_of_curves_is_made_from_its_needs_alone(params, tmp_path, name):
    needs = needs_of_figure(params, name)
    folders = {"metrics": write_metrics(tmp_path / "metrics", params, needs.metrics)}
    if needs.training:
        folders["training"] = tmp_path / "training"
        folders["training"].mkdir()
    for segment in needs.training:
        made_with = fingerprint(dump_sections(params.sections_of_segment(segment)))
        write_sealed_csv(folders["training"] / f"{segment}.csv", "step,seconds\n1,3600.0\n", made_with)
    assert draw(params, name, FigureSources(**folders)).axes


def write_likelihood_of(folder, section, num_images):
    terms = np.array([1.0, 0.2, 0.1])
    images, bits = np.arange(num_images), np.linspace(1.2, 1.4, num_images)
    study = Likelihood(np.arange(3), terms, terms, terms, images, images, bits, np.zeros(num_images))
    write_study(folder, study, {}, likelihood=section)


def test_a_figure_of_likelihoods_is_made_from_its_needs_alone_and_says_what_was_measured(params, tmp_path):
    sources = FigureSources(studies=tmp_path)
    early, late = needs_of_figure(params, "likelihood").studies
    for study in (early, late):
        write_likelihood_of(tmp_path / study, params.likelihoods[study], 4)
    assert [len(axes.lines) for axes in draw(params, "likelihood", sources).axes] == [2, 2]
    assert remark(params, "likelihood", sources) == "Here: 4 images of digits at 3 timesteps."
    write_likelihood_of(tmp_path / late, params.likelihoods[late], 5)
    first, second = params.figure("likelihood").curves
    assert remark(params, "likelihood", sources) == (
        f"Here: {first}, 4 images of digits at 3 timesteps; {second}, 5 images of digits at 3 timesteps."
    )


@pytest.mark.parametrize("name", ["figure_12", "figure_13", "figure_18"])
def test_a_figure_of_samples_is_made_from_its_needs_alone(params, tmp_path, name):
    needs = needs_of_figure(params, name)
    assert needed(needs) == {"samples"}
    for run in needs.samples:
        images = np.random.default_rng(0).integers(0, 256, (500, 8, 8, 3)).astype(np.uint8)
        write_batch(tmp_path / run, "sample", params.scored[run], {}, images, np.arange(500) % 10)
    assert draw(params, name, FigureSources(samples=tmp_path))
