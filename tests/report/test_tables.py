"""Tables: every row of the paper stands, beside what was measured here or the reason why nothing was."""

import csv
import io
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from adm.artifacts.manifest import dump_sections, fingerprint, provenance
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.params import UserError, load
from adm.params.models import UniformModelParams
from adm.params.report import PAPER_TABLES, TABLES, is_key
from adm.params.section import Section
from adm.report import beside, hyperparameters
from adm.report.further import further_table
from adm.report.metrics import METRICS, read_intervals, read_metrics, read_training_hours
from adm.report.paper import read_paper_table
from adm.report.tables import iterations, plain, write_table
from adm.stages import table as stage

DAY = 24 * 60 * 60
REASON = "no third resolution at this scale"


def written(folder, table, name="Table 1", caption="A caption."):
    write_table(folder / "t", table, name, caption)
    return {ending: (folder / f"t.{ending}").read_text(encoding="utf-8") for ending in ("csv", "md", "tex")}


def markdown_cells(text):
    """The cells of a Markdown table, split where no backslash stands before the bar."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


NASTY = ["a & b", "50%", "64×64", "64→256", "a|b", "x_1 #2 $3 {4} ~5 ^6 \\7", ""]


def test_every_cell_comes_back_from_every_file(tmp_path):
    table = pd.DataFrame({"Row | name": NASTY, "FID, 100%": [1.005, np.nan, 12.0, 3.14159, 1e-9, 1234.5678, -0.5]})
    files = written(tmp_path, table, caption="All of it: 100% of a & b, 64×64.")

    header, *rows = csv.reader(io.StringIO(files["csv"]))
    assert header == list(table)
    assert [row[0] for row in rows] == NASTY
    assert [float(row[1] or "nan") for row in rows] == pytest.approx(
        table["FID, 100%"].to_list(), rel=1e-5, nan_ok=True
    )

    header, rule, *rows = markdown_cells(files["md"])
    assert header == ["Row \\| name", "FID, 100%"]
    assert {len(row) for row in (header, rule, *rows)} == {2}
    assert [row[0].replace("\\|", "|") for row in rows] == NASTY
    numbers = [f"{value:.2f}" if value == value else "" for value in table["FID, 100%"]]
    assert [row[1] for row in rows] == numbers
    assert files["md"].startswith("Table 1: All of it: 100% of a & b, 64×64.\n\n")

    latex = files["tex"]
    for escaped in (r"a \& b", r"50\%", r"64$\times$64", r"64$\rightarrow$256", "a|b", r"FID, 100\%"):
        assert escaped in latex
    assert r"x\_1 \#2 \$3 \{4\} \textasciitilde{}5 \textasciicircum{}6 \textbackslash{}7" in latex
    assert r"\caption{All of it: 100\% of a \& b, 64$\times$64.}" in latex
    body = latex[latex.index(r"\midrule") : latex.index(r"\bottomrule")]
    # Each row ends in two backslashes and has one separator: nothing in a cell may stand for either.
    assert len(re.findall(r"(?<!\\)&", body)) == len(NASTY)
    assert body.count("\\\\\n") == len(NASTY)
    assert all(ord(character) < 128 for character in latex)
    assert "nan" not in latex.lower() + files["md"].lower() + files["csv"].lower()


def test_missing_values_of_any_kind_are_empty(tmp_path):
    files = written(tmp_path, pd.DataFrame({"Note": ["x", None, float("nan")], "Count": [1, 2, 3]}))
    assert [row[0] for row in markdown_cells(files["md"])[2:]] == ["x", "", ""]
    assert [row[1] for row in markdown_cells(files["md"])[2:]] == ["1", "2", "3"]
    assert "None" not in files["tex"]


def test_words_stand_to_the_left_and_numbers_to_the_right(tmp_path):
    table = pd.DataFrame(
        {
            "Row": ["Addition + GroupNorm", "AdaGN"],
            "Iterations": ["250K", "4360K"],
            "FID": [1.0, 2.0],
            "Schedule": ["90, 60, 60, 20, 20", "50, 50, 50, 50, 50"],
        }
    )
    files = written(tmp_path, table)
    assert [cell.strip("-") for cell in markdown_cells(files["md"])[1]] == [":", ":", ":", ":"]
    assert [cell.startswith(":") for cell in markdown_cells(files["md"])[1]] == [True, False, False, False]
    assert r"\begin{tabular}{lrrr}" in files["tex"]


def test_the_same_table_is_the_same_bytes(tmp_path):
    table = pd.DataFrame({"Row": NASTY, "FID": np.linspace(0, 1, len(NASTY))})
    (tmp_path / "again").mkdir()
    assert written(tmp_path, table) == written(tmp_path / "again", table)


# The embedded scale's params, with metrics by a formula: those of the n-th scored run are multiples of n.


def made_by_run(params, run):
    return provenance("evaluate", {"run": params.scored[run]}, {}, [])


def write_sizes(path, params, **size):
    networks = {key: model for key, model in params.models.items() if not isinstance(model, UniformModelParams)}
    made_by = provenance("sizes", networks, {}, [])
    write_sealed_json(path, {"models": dict.fromkeys(networks, size), "made_by": made_by})


@pytest.fixture(scope="module")
def params(root):
    return load(root / "params.yaml")


@pytest.fixture(scope="module")
def paper(root):
    return lambda name: read_paper_table(root / "workflow" / "paper" / f"{name}.csv")


@pytest.fixture(scope="module")
def fid(params):
    """The FID of each run."""
    return {run: 1.0 + (7 * number) % 101 for number, run in enumerate(params.scored)}


@pytest.fixture(scope="module")
def metrics(params, fid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    for run, value in fid.items():
        found = {"fid": value, "sfid": 2 * value, "inception_score": 3 * value, "precision": 0.5, "recall": value / 200}
        write_sealed_json(folder / f"{run}.json", {"metrics": found, "made_by": made_by_run(params, run)})
    return folder


@pytest.mark.parametrize("name", ["table_6", "table_8", "table_9", "table_15", "table_16"])
def test_a_table_of_runs_keeps_every_row_and_number_of_the_paper(params, paper, metrics, fid, name):
    printed, sources = paper(name), getattr(params.tables, name).rows
    table = beside.run_table(printed, params, sources, metrics)
    assert table["Row"].tolist() == printed["row"].tolist()
    assert table["FID, paper"].tolist() == printed["fid"].tolist()
    assert table["FID, here"].tolist() == [fid[source] for source in sources]
    if "recall" in printed:
        assert table["Recall, paper"].tolist() == printed["recall"].tolist()
        assert table["sFID, here"].tolist() == [2 * fid[source] for source in sources]
    assert not table.isna().any().any()


def test_a_row_without_a_run_keeps_the_papers_numbers_and_says_why(params, paper, metrics, fid):
    printed = paper("table_8")
    sources = ["gan-1", REASON, "stack-540-500", "only half as long here", REASON]
    table = beside.run_table(printed, params, sources, metrics)
    assert len(table) == len(printed) == 5
    assert table["FID, paper"].tolist() == printed["fid"].tolist()
    assert table["Here"].tolist()[1::2] == [REASON, "only half as long here"]
    measured = table["FID, here"]
    assert measured.isna().tolist() == [not is_key(source) for source in sources]
    assert measured.dropna().tolist() == [fid["gan-1"], fid["stack-540-500"]]


def test_what_fills_a_row_is_described(params):
    described = {
        "adm-128-4360": "adm-128-4360, 25 steps",
        "ddim-1_25": "adm-128-4360, DDIM 10 steps",
        "gan-0_5": "GAN digits, truncation 0.5",
        "stack-540-150": "adm-64-540 + adm-u-150, 25 steps",
        REASON: REASON,
    }
    assert {source: beside.describe(params, source) for source in described} == described


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_another_number_of_sources_than_the_paper_has_places_is_refused(root, params, tmp_path, name):
    (key,) = (key for key in ("rows", "models", "columns", "ddim") if hasattr(getattr(params.tables, name), key))
    shown = getattr(params.tables, name)
    count = len(getattr(shown, key))
    fewer = shown.model_copy(update={key: [REASON] * (count - 1)})
    changed = params.model_copy(update={"tables": params.tables.model_copy(update={name: fewer})})
    sizes = tmp_path / "sizes.json"
    write_sizes(sizes, params, parameters=1, forward_flops=1)
    sources = stage.Sources(root / "workflow" / "paper", tmp_path, sizes, tmp_path)
    with pytest.raises(UserError) as error:
        stage.run(changed, name, sources, tmp_path / "out")
    expected = f"tables.{name}.{key}: has {count - 1} entries, but the paper's table has {count}"
    assert str(error.value) == expected
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_the_embedded_scale_is_written(root, params, metrics, tmp_path, name):
    sizes = tmp_path / "sizes.json"
    write_sizes(sizes, params, parameters=12, forward_flops=34)
    for key in params.throughput:
        write_sealed_json(tmp_path / f"{key}.json", measured(params, key))
    stage.run(params, name, stage.Sources(root / "workflow" / "paper", metrics, sizes, tmp_path), tmp_path / name)
    rows = list(csv.reader((tmp_path / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
    printed = root / "workflow" / "paper" / f"{name}.csv"
    places = read_paper_table(printed) if name in PAPER_TABLES else params.tables.further.rows
    assert len(rows) == 1 + len(places)
    assert (tmp_path / f"{name}.md").read_text(encoding="utf-8").startswith(name[0].upper())
    assert all(ord(character) < 128 for character in (tmp_path / f"{name}.tex").read_text(encoding="utf-8"))


def test_sizes_that_lack_a_model_are_refused(root, params, tmp_path):
    write_sealed_json(tmp_path / "sizes.json", {"models": {"adm-128": {"parameters": 3}}})
    sources = stage.Sources(root / "workflow" / "paper", None, tmp_path / "sizes.json")
    with pytest.raises(UserError, match=r"sizes\.json: does not hold the parameters of every model"):
        stage.run(params, "table_11", sources, tmp_path / "out")


FLOPS = {"adm-128": 10**10, "classifier-128": 10**9, "adm-64": 2 * 10**9, "classifier-64": 10**8, "adm-u": 5 * 10**9}
"""Forward FLOPs, rounded, so that days are known by hand."""


def days(iterations, batch, rate):
    return iterations * batch / rate / DAY


def theoretical(name):
    return 120e12 / (3 * FLOPS[name])


def test_compute_is_iterations_times_batch_by_rate_of_every_network_of_a_run(params):
    batch = {name: params.models[name].training.batch_size for name in FLOPS}
    guided = (
        days(4360, batch["adm-128"], theoretical("adm-128")),
        days(1000, batch["classifier-128"], theoretical("classifier-128")),
    )
    assert beside.compute_of(params, "adm-128-4360", FLOPS) == pytest.approx((*guided, sum(guided)))
    assert beside.compute_of(params, "scale-0", FLOPS) == pytest.approx((guided[0], 0, guided[0]))
    stack = (
        days(500, batch["adm-u"], theoretical("adm-u")) + days(540, batch["adm-64"], theoretical("adm-64")),
        days(500, batch["classifier-64"], theoretical("classifier-64")),
    )
    assert beside.compute_of(params, "stack-540-500", FLOPS) == pytest.approx((*stack, sum(stack)))
    assert beside.compute_of(params, "gan-1", FLOPS) is None
    assert beside.compute_of(params, REASON, FLOPS) is None


def test_compute_uses_the_measured_rate_where_there_is_one(params):
    rates = params.tables.table_10.model_copy(update={"images_per_v100_second": {"adm-128": 24.8}})
    measured = params.model_copy(update={"tables": params.tables.model_copy(update={"table_10": rates})})
    generator, classifier, _ = beside.compute_of(measured, "adm-128-4360", FLOPS)
    assert generator == pytest.approx(days(4360, params.models["adm-128"].training.batch_size, 24.8))
    assert classifier == beside.compute_of(params, "adm-128-4360", FLOPS)[1]


def test_the_compute_table_prints_the_papers_days_as_they_are(params, paper, metrics):
    printed, sources = paper("table_10"), params.tables.table_10.rows
    flops = dict.fromkeys(params.models, 10**10)
    table = beside.compute_table(printed, params, sources, metrics, flops)
    assert table["Generator compute, paper"].tolist()[:5] == ["", "116", "116", "", "92"]
    assert table["Classifier compute, paper"].tolist()[:7] == ["", "-", "-", "", "-", "", "9"]
    assert table["Total compute, paper"].tolist() == printed["total_compute"].tolist()
    here = table["Total compute, here"]
    diffusion = [source in params.runs or source in params.upsampled_runs for source in sources]
    assert [text != "" for text in here] == diffusion
    generator, classifier = (
        pd.to_numeric(table[f"{name} compute, here"], errors="coerce") for name in ("Generator", "Classifier")
    )
    total = pd.to_numeric(here, errors="coerce")
    assert np.allclose(total[diffusion], (generator + classifier)[diffusion], rtol=0.01)
    assert table["Note"].tolist() == printed["note"].tolist()


SWEEP = pd.DataFrame(
    {
        "group": ["A"] * 5 + ["B"] * 3,
        "sampler": ["250 steps"] * 3 + ["DDIM"] * 2 + ["250 steps"] * 3,
        "gradient_scale": [0.5, 1.0, 2.0, 1.0, 1.25, 1.0, 2.0, 3.5],
        "chosen": [True, False, False, False, True, False, False, True],
    }
)


def test_the_lowest_fid_of_each_sweep_is_marked_and_none_where_one_run_stands_alone(params, tmp_path):
    fids = {"scale-0_5": 3.0, "scale-2": 2.0, "scale-4": 4.0, "ddim-1": 9.0, "scale-256-2": 1.0, "scale-256-4": 1.5}
    for run, value in fids.items():
        found = {"metrics": dict.fromkeys(METRICS, value), "made_by": made_by_run(params, run)}
        write_sealed_json(tmp_path / f"{run}.json", found)
    sources = ["scale-0_5", "scale-2", "scale-4", "ddim-1", "not swept here", "scale-256-2", REASON, "scale-256-4"]
    table = beside.sweep_table(SWEEP, params, sources, tmp_path)
    assert table["Chosen, here"].tolist() == ["", "chosen", "", "", "", "chosen", "", ""]
    assert table["Chosen, paper"].tolist() == ["chosen", "", "", "", "chosen", "", "", "chosen"]
    assert table["Scale, here"].tolist() == ["0.5", "2", "4", "1", "", "2", "", "4"]
    assert table["Scale, paper"].tolist() == ["0.5", "1", "2", "1", "1.25", "1", "2", "3.5"]
    assert table["FID, here"].isna().tolist() == [not is_key(source) for source in sources]
    assert table["Here"].tolist()[4] == "not swept here"


def test_nothing_is_marked_where_nothing_was_swept(params, tmp_path):
    table = beside.sweep_table(SWEEP, params, [REASON] * len(SWEEP), tmp_path)
    assert set(table["Chosen, here"]) == {""}
    assert table["FID, here"].isna().all()


MEASURED = {
    "forward_flops": 10**9,
    "peak_flops": 3.0e11,
    "device": "A processor",
    "threads": 2,
    "naive": {"batch_size": 4, "images_per_second": [9.0, 1000.0, 10.0]},
    "optimised": {"batch_size": 8, "images_per_second": [25.0]},
}


def measured(params, key):
    return {**MEASURED, "made_by": provenance("throughput", params.sections_of_throughput(key), {}, [])}


def test_throughput_stands_beside_the_papers_with_its_share_of_this_machines_peak(params, paper, tmp_path):
    write_sealed_json(tmp_path / "throughput-64.json", measured(params, "throughput-64"))
    printed = paper("table_7")
    table = hyperparameters.throughput_table(printed, params, ["throughput-64", *[REASON] * 4], tmp_path)
    assert table["Row"].tolist() == printed["row"].tolist() == ["Theoretical", "Naive", "Optimized"] * 5
    # 1e9 FLOPs forward are 3e9 a step: 120e12 allow 40000 images a second on a V100, 3e11 allow 100 here.
    assert table["Images/V100-s, here, in theory"].tolist()[:3] == ["40000.0", "", ""]
    assert table["Images/s, here"].tolist()[:3] == ["100.0", "10.0", "25.0"]  # the median of three
    assert table["Utilisation, here"].tolist()[:3] == ["100%", "10%", "25%"]
    assert table["Batch, here"].tolist()[:3] == ["", "4", "8"]
    assert table["Here"].tolist()[3:] == [REASON] * 12
    assert set(table["Images/s, here"][3:]) == {""}
    assert table["Images/V100-s, paper"].tolist() == [f"{rate:.1f}" for rate in printed["images_per_v100_second"]]
    assert table["Utilisation, paper"].tolist()[:3] == ["100%", "20%", "41%"]
    assert table["Batch, paper"].tolist()[:3] == ["", "32", "96"]


@pytest.mark.parametrize("missing", ["forward_flops", "peak_flops", "device", "naive"])
def test_what_is_no_measured_throughput_is_refused(params, paper, tmp_path, missing):
    content = {key: value for key, value in measured(params, "throughput-64").items() if key != missing}
    write_sealed_json(tmp_path / "throughput-64.json", content)
    with pytest.raises(UserError, match=rf"throughput-64\.json: holds no throughput.*{missing}"):
        hyperparameters.throughput_table(paper("table_7"), params, ["throughput-64", *[REASON] * 4], tmp_path)


def test_hyperparameters_are_those_of_the_params_file(params, paper):
    printed = paper("table_11")
    sizes = {"lsun-bedroom": 1_234_567, "adm-64": 295_904_454, "adm-128": 9_999_999, "adm-256": 10_000_000}
    table = hyperparameters.model_table(printed, params, [*sizes, REASON], sizes)
    assert table["Row"].tolist() == printed["row"].tolist()
    table = table.set_index("Row")
    ours = {name: table[f"{name}, here"] for name in printed if name not in ("row", "note")}
    assert [column["Model size"] for column in ours.values()] == ["1.23M", "296M", "10.00M", "10M", ""]
    assert [column["Iterations"] for column in ours.values()] == ["800", "540", "4360", "1980", ""]
    assert [column["Depth"] for column in ours.values()] == ["1", "1", "1", "2", ""]
    assert ours["LSUN"]["Diffusion steps"] == "100"
    assert ours["LSUN"]["Noise Schedule"] == "linear"
    assert ours["LSUN"]["Dropout"] == "0.1"
    assert ours["ImageNet 128"]["Channels multiple"] == "1,2"
    assert ours["ImageNet 128"]["Heads"] == ""
    assert ours["ImageNet 128"]["Heads Channels"] == "32"
    assert ours["ImageNet 128"]["Learning Rate"] == "2e-3"
    assert ours["ImageNet 128"]["BigGAN up/downsample"] == "yes"
    assert ours["ImageNet 512"].iloc[0] == REASON
    assert set(ours["ImageNet 512"].iloc[1:]) == {""}
    for name in ours:
        assert table[f"{name}, paper"].tolist() == printed[name].tolist()


def test_classifiers_have_their_pooling_and_upsamplers_none(params, paper):
    sizes = dict.fromkeys(("classifier-64", "classifier-128", "adm-u"), 10**8)
    classifiers = hyperparameters.model_table(
        paper("table_12"), params, ["classifier-64", "classifier-128", "classifier-128", REASON], sizes
    ).set_index("Row")
    assert classifiers.loc["Attention pooling", "ImageNet 64, here"] == "yes"
    assert classifiers.loc["Weight decay", "ImageNet 64, here"] == "0.05"
    upsamplers = hyperparameters.model_table(paper("table_13"), params, ["adm-u", REASON], sizes).set_index("Row")
    assert upsamplers.loc["Batch size", "ImageNet 64→256, here"] == "16"


def test_no_row_of_the_papers_hyperparameters_is_left_empty_here(params, paper):
    sizes = dict.fromkeys(params.models, 10**8)
    for name in ("table_11", "table_12", "table_13"):
        printed, sources = paper(name), getattr(params.tables, name).columns
        table = hyperparameters.model_table(printed, params, sources, sizes).set_index("Row")
        for column, source in zip((c for c in printed if c not in ("row", "note")), sources, strict=True):
            if is_key(source):
                empty = set(table.index[table[f"{column}, here"] == ""])
                # A network gives one of the two.
                assert empty <= {"Heads", "Heads Channels"}, (name, column)


def test_gradient_scales_stand_in_one_row_a_sampler(params, paper):
    printed = paper("table_14")
    shown = params.tables.table_14
    table = hyperparameters.scale_table(printed, params, shown.ddpm, shown.ddim)
    assert table["Row"].tolist() == printed["row"].tolist()
    assert table["ImageNet 128, here"].tolist() == ["1 (25 steps)", "1.25 (10 steps)"]
    assert table["ImageNet 128, paper"].tolist() == ["0.5", "1.25"]
    assert table["ImageNet 64, paper"].tolist() == ["1", ""]
    assert table["ImageNet 64, here"].tolist()[1] == "the paper has none"


def test_counts_are_written_as_the_paper_writes_them():
    counts = [0, 150, 4360, 9999, 10_000, 10_500, 4_360_000]
    assert [iterations(count) for count in counts] == ["0", "150", "4360", "9999", "10K", "10500", "4360K"]
    assert [plain(number) for number in (116.0, 0.5, float("nan"), 1e-3)] == ["116", "0.5", "", "0.001"]


def test_labels_and_lengths():
    paper = pd.DataFrame({"row": ["a", "b"], "fid": [1.0, 2.0]})
    assert list(beside.labels(paper)) == ["Row"]
    assert list(beside.labels(paper.assign(group="g"))) == ["Group", "Row"]
    for sources in (["x"], ["x", "y", "z"]):
        with pytest.raises(ValueError, match=rf"rows: has {len(sources)} entries, but the paper's table has 2"):
            beside.run_table(paper, SimpleNamespace(scored={}), sources, None)


# What tables and figures read.


class Numbered(Section):
    """A section of which each differs."""

    number: int = 0


SCORED = {run: Numbered(number=number) for number, run in enumerate(("a", "b", "c", "run"))}


def made_by(run):
    return provenance("evaluate", {"run": SCORED[run]}, {}, [])


def test_intervals_are_centred_at_the_measured_value(tmp_path):
    # Resampling repeats images, which raises every FID: the replicates lie above the value by far.
    rng = np.random.default_rng(0)
    replicates = rng.normal(50.0, 2.0, 4000)
    content = {"metrics": dict.fromkeys(METRICS, 10.0), "bootstrap": {"fid": replicates.tolist()}}
    write_sealed_json(tmp_path / "run.json", {**content, "made_by": made_by("run")})
    bounds = read_intervals(tmp_path, ["run"], SCORED).loc["run"]
    assert bounds["fid_low"] == pytest.approx(10 - 1.96 * 2, abs=0.25)
    assert bounds["fid_high"] == pytest.approx(10 + 1.96 * 2, abs=0.25)
    inside = np.mean((replicates - 40 > bounds["fid_low"]) & (replicates - 40 < bounds["fid_high"]))
    assert inside == pytest.approx(0.95, abs=0.02)


def test_metrics_come_in_the_order_asked_for(tmp_path):
    for number, run in enumerate("abc"):
        metrics = dict.fromkeys(METRICS, float(number))
        write_sealed_json(tmp_path / f"{run}.json", {"metrics": metrics, "made_by": made_by(run)})
    found = read_metrics(tmp_path, ["c", "a"], SCORED)
    assert found.index.tolist() == ["c", "a"]
    assert found["fid"].tolist() == [2.0, 0.0]
    assert read_metrics(tmp_path, [], SCORED).columns.tolist() == list(METRICS)


@pytest.mark.parametrize("content", [{}, {"metrics": {"fid": 1.0}}, {"metrics": [1]}])
def test_what_holds_no_metrics_is_refused(tmp_path, content):
    write_sealed_json(tmp_path / "a.json", content)
    with pytest.raises(UserError, match=r"a\.json: holds no metrics"):
        read_metrics(tmp_path, ["a"], SCORED)


def test_training_hours_are_the_sum_of_the_segments(tmp_path):
    first, second = {"segment": Numbered(number=1)}, {"segment": Numbered(number=2)}
    write_sealed_csv(
        tmp_path / "m-250.csv", "step,seconds\n125,1800.0\n250,3600.0\n", fingerprint(dump_sections(first))
    )
    write_sealed_csv(tmp_path / "m-500.csv", "step,seconds\n500,1800.0\n", fingerprint(dump_sections(second)))
    assert read_training_hours(tmp_path, {"m-250": first, "m-500": second}) == 1.5
    assert read_training_hours(tmp_path, {}) == 0.0
    with pytest.raises(UserError, match=r"m-500\.csv: was made with another segment or model than .* 'm-500'"):
        read_training_hours(tmp_path, {"m-250": first, "m-500": first})
    for content in ("step,loss\n1,2\n", "step,seconds\n", ""):
        write_sealed_csv(tmp_path / "m-500.csv", content, fingerprint(dump_sections(second)))
        with pytest.raises(UserError, match=r"m-500\.csv: is no training log"):
            read_training_hours(tmp_path, {"m-500": second})
    with pytest.raises(UserError, match=r"m-750\.csv: does not exist"):
        read_training_hours(tmp_path, {"m-750": first})


def test_further_metrics_stand_beside_those_they_improve_on(params, tmp_path):
    metrics = {"fid": 9.0, "sfid": 12.0, "inception_score": 5.0, "precision": 0.5, "recall": 0.4}
    kernel = {"kid": 0.0123, "kid_standard_error": 0.0004, "density": 0.9, "coverage": 0.7}
    large = {"kid": 3201.84, "kid_standard_error": 110.3}
    limit = {"fid_infinity": 8.25, "fid_infinity_standard_error": 0.06}
    for run, further in {"gan-1": kernel | limit, "scale-0": kernel | large, "scale-2": {}}.items():
        content = {"metrics": metrics, "further": further, "made_by": made_by_run(params, run)}
        write_sealed_json(tmp_path / f"{run}.json", content)
    table = further_table(params, ["gan-1", "scale-0", "scale-2"], tmp_path)
    assert table.columns.tolist() == [
        *("Run", "Here", "FID", "FID of infinitely many", "KID"),
        *("Precision", "Density", "Recall", "Coverage"),
    ]
    assert table["FID of infinitely many"].tolist() == ["8.25 ± 0.06", "", ""]
    assert table["KID"].tolist() == ["0.0123 ± 0.0004", "3200 ± 110", ""]
    assert table["Density"].tolist()[:2] == [0.9, 0.9]
    assert table["Here"].tolist()[0] == "GAN digits, truncation 1"
