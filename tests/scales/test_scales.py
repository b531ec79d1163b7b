"""The scales: each loads and plans, and the paper's has the numbers that the paper prints."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from adm.artifacts.seal import write_sealed_json
from adm.config.schedules import respaced_timesteps
from adm.nets.cost import network_cost
from adm.nets.presets import PRESETS
from adm.paper import FIGURES, JUDGED, TABLES, claims, table_cells
from adm.params import load
from adm.params.runs import RunParams, UpsampledRunParams
from adm.report.compute import SECONDS_PER_DAY, V100
from adm.report.run_tables import compute_of
from adm.tools.publish import ARCHIVE

ROOT = Path(__file__).parents[2]
FILES = {
    "embedded": ROOT / "params.yaml",
    **{path.parent.name: path for path in sorted((ROOT / "scales").glob("*/params.yaml"))},
}


WITH_AN_APPENDIX = [name for name in FILES if name != "emoji"]
"""Scales that regenerate the appendix."""

OF_THE_PAPER = ["paper", "released"]
"""Scales whose numbers are the paper's."""

OF_THE_APPENDIX = {key for key, claim in claims().items() if "group" not in claim}
"""Claims that no scale leaves out, as it may those of later papers."""

NETWORKS = {
    "adm-64": "imagenet64",
    "adm-128": "imagenet128",
    "adm-256": "imagenet256",
    "adm-256-unconditional": "imagenet256_unconditional",
    "adm-512": "imagenet512",
    "adm-u": "upsampler_64_256",
    "adm-u-512": "upsampler_128_512",
    "classifier-64": "classifier_imagenet64",
    "classifier-64-small": "classifier_imagenet64",
    "classifier-128": "classifier_imagenet128",
    "classifier-128-large": "classifier_imagenet128",
    "classifier-256": "classifier_imagenet256",
    "classifier-512": "classifier_imagenet512",
    "lsun-bedroom": "lsun_bedroom",
    "lsun-horse": "lsun_horse",
    "lsun-horse-nodropout": "lsun_horse_nodropout",
    "lsun-cat": "lsun_cat",
}
"""The preset of each model of the paper's size; ablations have none."""

LSUN_ITERATIONS = {"lsun-bedroom": 500_000, "lsun-horse": 250_000, "lsun-horse-nodropout": 250_000, "lsun-cat": 200_000}
"""Table 11, footnote."""


@pytest.fixture(scope="module")
def scales():
    return {name: load(path) for name, path in FILES.items()}


@pytest.fixture(scope="module")
def paper(scales):
    return scales["paper"]


def channels_a_group(params, model):
    network = params.models[model].network
    return [channels / network.groups for channels in network.level_channels]


@pytest.mark.parametrize("name", ["embedded", "digits", "fashion"])
def test_ablations_differ_in_nothing_else(scales, name):
    params = scales[name]

    def models(runs):
        return {params.model_of(params.runs[run].checkpoint) for key in runs for run in params.members(key)}

    figure = params.figures["figure_5"]
    compared = [run for panel in figure.panels.values() for runs in panel.values() for run in runs]
    for keys in (models(compared), models(row for row in params.tables["table_6"].rows if isinstance(row, str))):
        first, *others = (channels_a_group(params, key) for key in sorted(keys))
        assert others
        assert all(other == first for other in others)


def printed(table):
    """The paper's table as it is printed: text, empty cells as ""."""
    return pd.read_csv(ROOT / "adm" / "paper" / f"{table}.csv", dtype=str, keep_default_na=False)


def last_iteration(params, model):
    points = [*params.segments, *params.published.checkpoints]
    return max(params.iteration_of(point) for point in points if params.model_of(point) == model)


def test_what_is_published_to_be_computed_from_is_small():
    assert sum(path.stat().st_size for path in (ROOT / "results" / "published").glob(f"*/{ARCHIVE}")) < 10e6


@pytest.mark.parametrize("name", WITH_AN_APPENDIX)
def test_every_table_and_figure_of_the_appendix_that_can_be_is_there(scales, name):
    params = scales[name]
    pictures = {f"figure_{name}" for name in ("5", "5_seconds", "7", "9", "10a", "10b", "10c")}
    untrained = {"table_6", "likelihood", *pictures}
    absent = untrained if name == "released" else set()
    # Own ones may stand beside them.
    assert set(params.tables) >= {*TABLES, "further"} - absent
    assert set(params.figures) >= {*FIGURES, "figure_5_seconds", "likelihood"} - absent
    assert set(params.claims) >= OF_THE_APPENDIX


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_a_batch_is_of_as_many_samples_as_the_papers(scales, name):
    for run, section in scales[name].scored.items():
        ablated = isinstance(section, RunParams) and section.checkpoint.startswith(("arch-", "heads-", "per-head-"))
        expected = 10_000 if ablated or run == "addition-700k" else 50_000
        expected = 8 if run.startswith("varied-") else expected  # Figure 8, shown and not scored
        assert section.num_samples == expected, run


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_no_two_models_train_from_one_seed_but_ablations(scales, name):
    models = {key: model for key, model in scales[name].models.items() if key in NETWORKS}
    seeds = [model.training.seed for model in models.values()]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_an_upsampler_draws_other_noise_than_its_base(scales, name):
    params = scales[name]
    for run in params.upsampled_runs.values():
        base = params.runs[run.base]
        assert run.seed >= base.seed + base.num_samples


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_networks_are_those_of_the_presets(scales, name):
    found = {key: model.network for key, model in scales[name].models.items() if key in NETWORKS}
    assert {key: network for key, network in found.items() if network != PRESETS[NETWORKS[key]]} == {}
    assert {NETWORKS[key] for key in found} >= set(PRESETS) - {"imagenet256_unconditional"}


@pytest.mark.parametrize("name", OF_THE_PAPER)
@pytest.mark.parametrize("table", ["table_11", "table_12", "table_13"])
def test_training_is_as_printed(scales, name, table):
    params = scales[name]
    rows = printed(table).set_index("row")
    headings = [heading for heading in rows if heading != "note"]
    for heading, key in zip(headings, params.tables[table].columns, strict=True):
        cells, model = rows[heading], params.models[key]
        assert int(cells["Diffusion steps"]) == model.noise.timesteps
        assert cells["Noise Schedule"] == model.noise.schedule
        assert int(cells["Batch size"]) == model.training.batch_size
        rate = cells["Learning rate" if table == "table_12" else "Learning Rate"]
        assert float(rate) == model.training.learning_rate
        assert float(cells.get("Weight decay", "0")) == model.training.weight_decay
        stop = last_iteration(params, key)
        assert stop == LSUN_ITERATIONS[key] if heading == "LSUN" else f"{stop // 1000}K" == cells["Iterations"]
        assert model.training.annealing == (stop if table == "table_12" else None)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_what_the_appendix_says_of_all_training(scales, name):
    params = scales[name]
    assert {key: last_iteration(params, key) for key in LSUN_ITERATIONS} == LSUN_ITERATIONS
    for key, model in params.models.items():
        assert (model.training.ema_rate, model.training.precision, model.training.flip) == (0.9999, "float16", True)
        assert model.training.crop == ("random" if model.kind == "classifier" else "centre"), key


def test_other_classifiers_are_those_of_the_footnotes(paper):
    large, small = paper.models["classifier-128-large"].training, paper.models["classifier-64-small"].training
    assert (large.batch_size, large.learning_rate) == (1024, 6e-5)
    assert small.batch_size == 256
    by_row = dict(zip(printed("table_10")["row"], paper.tables["table_10"].rows, strict=False))
    classifiers = {
        row: paper.model_of(paper.runs[paper.upsampled_runs[source].base].classifier)
        for row, source in by_row.items()
        if source in paper.upsampled_runs
    }
    assert classifiers == {
        "ADM-G (540K), ADM-U (500K)": "classifier-64",
        "ADM-G (540K), ADM-U (150K)": "classifier-64",
        "ADM-G (200K), ADM-U (150K)": "classifier-64-small",
        "ADM-G (4360K), ADM-U (1050K)": "classifier-128-large",
        "ADM-G (500K), ADM-U (100K)": "classifier-128",
    }


def test_random_crops_are_cut_from_source_images(paper):
    cropped = [key for key, segment in paper.segments.items() if paper.models[segment.model].training.crop == "random"]
    assert cropped
    assert {paper.datasets[paper.segments[key].dataset].stored for key in cropped} == {"files"}


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_gradient_scales_are_table_14s(scales, name):
    params, rows = scales[name], printed("table_14")
    for number, sources in enumerate((params.tables["table_14"].ddpm, params.tables["table_14"].ddim)):
        for cell, source in zip(rows.iloc[number, 1:], sources, strict=True):
            if isinstance(source, str):
                assert params.runs[source].gradient_scale == float(cell), source
    assert all(
        isinstance(source, str) for source in [*params.tables["table_14"].ddpm[1:], *params.tables["table_14"].ddim[1:]]
    )
    if name == "paper":
        assert isinstance(params.tables["table_14"].ddpm[0], str)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_sweeps_are_appendix_ks(scales, name):
    params, rows = scales[name], printed("appendix_k")
    for row, source in zip(rows.itertuples(), params.tables["appendix_k"].rows, strict=True):
        run = params.runs[source]
        assert run.gradient_scale == float(row.gradient_scale), source
        assert f"{params.image_size_of(source)}×" in row.group, source
        assert (run.sampler, run.steps) == (("ddim", "ddim25") if "DDIM" in row.sampler else ("ddpm", "250")), source
        # The last checkpoints of the model and of its classifier.
        for checkpoint in (run.checkpoint, run.classifier):
            assert params.iteration_of(checkpoint) == last_iteration(params, params.model_of(checkpoint)), source
    assert len(set(params.tables["appendix_k"].rows)) == len(rows)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_schedules_are_those_of_tables_15_and_16(scales, name):
    params = scales[name]
    swept = list(printed("table_15")["row"])
    found = [params.runs[source].steps for source in params.tables["table_15"].rows]
    assert found == [row.replace(" ", "") for row in swept]
    # Table 16's sweep is Table 15's best, its last row.
    wanted = {"1000 steps": "1000", "250 steps (uniform)": found[0], "250 steps (sweep)": found[-1]}
    for row, source in zip(printed("table_16").itertuples(), params.tables["table_16"].rows, strict=True):
        if source in params.runs:
            run = params.runs[source]
            assert run.steps == wanted[row.row]
            assert row.group.split()[1].lower().startswith(params.model_of(run.checkpoint).removeprefix("lsun-"))
            assert len(respaced_timesteps(1000, run.steps)) == int(row.row.split()[0])


@pytest.mark.parametrize(("table", "name"), [(t, n) for t in ("table_8", "table_9") for n in OF_THE_PAPER])
def test_rows_through_training_are_of_their_iterations(scales, name, table):
    params = scales[name]
    for row, source in zip(printed(table)["row"], params.tables[table].rows, strict=True):
        if source in params.runs:
            assert f"{params.iteration_of(params.runs[source].checkpoint) // 1000}K" == row
            assert params.runs[source].gradient_scale == 1.0
        assert isinstance(source, str) or name != "paper"


def trainings(params, source):
    run = params.scored[source]
    if isinstance(run, UpsampledRunParams):
        return [params.runs[run.base].checkpoint, run.checkpoint]
    return [run.checkpoint]


def test_table_10_is_of_the_checkpoints_in_its_parentheses(paper):
    for row, source in zip(printed("table_10").itertuples(), paper.tables["table_10"].rows, strict=True):
        iterations = re.findall(r"(\d+)K", row.row)
        if not iterations:
            assert source not in {**paper.runs, **paper.upsampled_runs}
            continue
        found = trainings(paper, source)
        assert [paper.iteration_of(checkpoint) for checkpoint in found] == [1000 * int(count) for count in iterations]
        if "×" in row.group:
            assert f"{paper.image_size_of(source)}×" in row.group
        if row.group.startswith("LSUN"):
            assert (paper.models[paper.model_of(found[0])].network.dropout > 0) == ("dropout" in row.row)


def test_table_10s_days_follow_from_the_printed_throughput(paper, tmp_path):
    # The others have rates.
    flops = {name: network_cost(paper.models[name]).flops for name in paper.models if name.startswith("classifier")}
    sizes = {name: {"forward_flops": flops.get(name, 0)} for name in paper.models}
    write_sealed_json(path := tmp_path / "sizes.json", {"models": sizes})
    rates = paper.tables["table_10"].images_per_v100_second
    compared = 0
    for row, source in zip(printed("table_10").itertuples(), paper.tables["table_10"].rows, strict=True):
        if not row.generator_compute:
            continue
        least = most = 0.0
        for checkpoint in trainings(paper, source):
            model = paper.model_of(checkpoint)
            images = paper.iteration_of(checkpoint) * paper.models[model].training.batch_size
            # Rates are printed with one decimal.
            ends = [images / (rates[model] + at) / SECONDS_PER_DAY for at in (0.05, -0.05)]
            least, most = least + ends[0], most + ends[1]
        generator, classifier, total = compute_of(paper, paper.tables["table_10"], source, {"sizes": {"": path}})
        assert least <= generator <= most
        assert least - 1 <= float(row.generator_compute) <= most + 1
        assert total == generator + classifier
        assert (classifier > 0) == (row.classifier_compute != "-")
        compared += 1
    assert compared == 13


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_throughput_is_of_table_7s_batch_sizes_on_a_gpu_in_half_precision(scales, name):
    params, rows = scales[name], printed("table_7")
    for number, source in enumerate(params.tables["table_7"].models):
        _, naive, optimised = (rows.iloc[3 * number + offset] for offset in range(3))
        timed = params.throughput[source]
        assert (timed.naive_batch, timed.optimised_batch) == (
            int(naive["batch_size_per_gpu"]),
            int(optimised["batch_size_per_gpu"]),
        )
        assert (timed.device, timed.precision) == ("cuda", "float16")
        # The naive implementation was of half precision, too: a V100 has not so many operations in float32.
        flops = 3 * network_cost(params.models[timed.model]).flops
        assert float(naive["images_per_v100_second"]) * flops > V100.single_flops
        assert params.tables["table_10"].images_per_v100_second[timed.model] == float(
            optimised["images_per_v100_second"]
        )


@pytest.mark.parametrize("name", WITH_AN_APPENDIX)
@pytest.mark.parametrize("claim", ["solver-2m", "solver-2m-guided", "solver-sde", "solver-heun"])
def test_solvers_are_compared_with_the_first_order_in_the_same_spacing(scales, name, claim):
    params = scales[name]
    keys = [params.members(role)[0] for role in (params.claims[claim].run, params.claims[claim].than)]
    solver, first = map(params.runs.__getitem__, keys)
    assert (first.sampler, first.eta) == ("ddim", solver.eta)
    spacing = re.compile(r"[a-z]*")
    assert spacing.match(solver.steps).group() == spacing.match(first.steps).group()
    assert [params.evaluations_of(key).denoiser for key in keys] in ([20, 20], [2 * 10 - 1, 20])


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_rows_with_published_values_are_of_the_runs_that_these_are_of(scales, name):
    params = scales[name]
    shown = params.tables["judges"]
    assert shown.published in shown.judges
    _, rows = table_cells(JUDGED)
    labels = [label for judge, label, *_ in rows if judge == shown.published]
    assert set(shown.rows) <= set(labels)
    for label, run in shown.rows.items():
        guided = "guided" in run or getattr(params.scored[run], "gradient_scale", 0) or run.startswith("stack")
        assert ("ADM-G" in label) == (bool(guided) and "unguided" not in run), label
        assert ("LSUN bedroom" in label) == (params.scored[run].reference == "bedroom"), label
        assert params.image_size_of(run) == 256


def test_all_fifteen_released_checkpoints_are_adopted_once(scales):
    published = scales["released"].published.checkpoints
    assert len({section.url for section in published.values()}) == len(published) == len(PRESETS)
    assert Counter(NETWORKS[section.model] for section in published.values()) == Counter(list(PRESETS))
    assert not scales["released"].segments
