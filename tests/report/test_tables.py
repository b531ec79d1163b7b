"""Tables: every row of the paper stands, beside what was measured here or the reason why nothing was."""

import csv
import io
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from making import record, timed
from scipy import stats

from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.paper import TABLES
from adm.params import UserError
from adm.params.references import NoSource
from adm.params.tables import HyperparametersParams, OwnTableParams, RowsParams, SweepsParams, ThroughputTableParams
from adm.report import hyperparameters, run_tables
from adm.report.metrics import read_metrics, read_training_seconds
from adm.report.run_tables import own_table, read_paper_table
from adm.report.tables import INTERVALS, table_in, write_table
from adm.stages import table as stage

DAY = 24 * 60 * 60
REASON = NoSource(none="no third resolution at this scale")


def written(folder, table, name="Table 1", caption="A caption."):
    write_table(folder / "t", table, name, caption, {})
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


def test_every_cell_comes_back_from_html(tmp_path):
    names = [*NASTY, "<script>alert('x')</script>"]
    numbers = [1.005, np.nan, 12.0, 3.14159, 1e-9, 1234.5678, -0.5, 7.0]
    table = pd.DataFrame({"Row": names, "FID, paper": numbers, "FID, here": numbers, "Note": ["<b>", *[""] * 7]})
    table.attrs[INTERVALS] = {"FID, here": ["1 < 2", *[""] * 7]}
    write_table(tmp_path / "t", table, "Table <1>", "A & caption.", {})
    found = ElementTree.fromstring(table_in(tmp_path / "t.html"))
    upper, lower, *rows = ([cell.text or "" for cell in row] for row in found.iter("tr"))
    assert (upper, lower) == (["Row", "FID", "Note"], ["paper", "here"])
    assert [row[0] for row in rows] == names
    assert [row[1] for row in rows] == [row[2] for row in rows] == [f"{x:.2f}" if x == x else "" for x in numbers]
    values = [float(row[1].get("data-value") or "nan") for row in found.iterfind("tbody/tr")]
    assert values == pytest.approx(numbers, rel=1e-5, nan_ok=True)
    assert [span.text for span in found.iter("span")] == ["1 < 2"]


# The embedded scale's params, with metrics by a formula: those of the n-th scored run are multiples of n.


@pytest.fixture(scope="module")
def fid(params):
    return {run: 1.0 + (7 * number) % 101 for number, run in enumerate(params.scored)}


@pytest.fixture(scope="module")
def inputs(params, fid, score, write_sizes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    found = {"metrics": {}, "throughput": {}, "sizes": {"": folder / "sizes.json"}}
    for run, value in fid.items():
        path = found["metrics"][run] = folder / f"{run}.json"
        write_sealed_json(path, score(params, run, 0.5, fid=value, sfid=2 * value, recall=value / 200))
    for key in params.throughput:
        path = found["throughput"][key] = folder / f"{key}.json"
        write_sealed_json(path, measured(params, key))
    write_sizes(folder, params, parameters=12, forward_flops=10**10)
    return found


@pytest.mark.parametrize("name", ["table_6", "table_8", "table_9", "table_15", "table_16"])
def test_a_table_of_runs_keeps_every_row_and_number_of_the_paper(params, inputs, fid, name):
    printed, shown = read_paper_table(name), params.tables[name]
    table = run_tables.run_table(printed, params, shown, inputs)
    assert table["row"].tolist() == printed["row"].tolist()
    assert table["FID, paper"].tolist() == printed["fid"].tolist()
    assert table["FID, here"].tolist() == [fid[source] for source in shown.rows]
    if "recall" in printed:
        assert table["Recall, paper"].tolist() == printed["recall"].tolist()
        assert table["sFID, here"].tolist() == [2 * fid[source] for source in shown.rows]
    assert not table.isna().any().any()


def test_a_row_without_a_run_keeps_the_papers_numbers_and_says_why(params, inputs, fid):
    printed = read_paper_table("table_8")
    sources = ["gan-1", REASON, "stack-540-500", NoSource(none="only half as long here"), REASON]
    table = run_tables.run_table(printed, params, RowsParams(rows=sources), inputs)
    assert len(table) == len(printed) == 5
    assert table["FID, paper"].tolist() == printed["fid"].tolist()
    assert table["Here"].tolist()[1::2] == [REASON.none, "only half as long here"]
    measured = table["FID, here"]
    assert measured.isna().tolist() == [isinstance(source, NoSource) for source in sources]
    assert measured.dropna().tolist() == [fid["gan-1"], fid["stack-540-500"]]


def test_what_fills_a_row_is_described(params):
    described = {
        "adm-128-4360": "adm-128-4360, 25 steps, gradient scale 1",
        "ddim-1_25": "adm-128-4360, DDIM 10 steps, gradient scale 1.25",
        "gan-0_5": "GAN digits, truncation 0.5",
        "stack-540-150": "adm-64-540 + adm-u-150, 25 steps",
    }
    assert {source: run_tables.describe(params, source) for source in described} == described
    assert run_tables.describe(params, REASON) == REASON.none


@pytest.mark.parametrize(
    ("run", "told"), [("gan-1", ["", ""]), ("ablation-base-400", [", 400 samples", ", 200 samples"])]
)
def test_rows_tell_their_samples_where_these_differ(params, score, tmp_path, run, told):
    paths = {key: tmp_path / f"{key}.json" for key in ("scale-0", run)}
    for key, path in paths.items():
        write_sealed_json(path, score(params, key, 0.5))
    shown = OwnTableParams(rows={key: key for key in paths}, metrics=["fid"], caption="C.")
    here = own_table(params, shown, {"metrics": paths})["Here"].tolist()
    assert here == [f"{run_tables.describe(params, key)}{ending}" for key, ending in zip(paths, told, strict=True)]


def test_every_table_of_the_embedded_scale_is_written(params, inputs, tmp_path):
    for name, shown in params.tables.items():
        stage.run(name, params.tables[name], params, inputs, tmp_path / name, {})
        rows = list(csv.reader((tmp_path / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        assert len(rows) == 1 + len(read_paper_table(name) if name in TABLES else shown.rows)
        assert (tmp_path / f"{name}.md").read_text(encoding="utf-8").startswith(name[0].upper())
        assert all(ord(character) < 128 for character in (tmp_path / f"{name}.tex").read_text(encoding="utf-8"))


def test_sizes_that_lack_a_model_are_refused(params, tmp_path):
    write_sealed_json(tmp_path / "sizes.json", {"models": {"adm-128": {"parameters": 3}}})
    with pytest.raises(UserError, match=r"sizes\.json: does not hold the parameters of each model \('lsun-bedroom'\)"):
        stage.run(
            "table_11",
            params.tables["table_11"],
            params,
            {"sizes": {"": tmp_path / "sizes.json"}},
            tmp_path / "out",
            {},
        )


FLOPS = {"adm-128": 10**10, "classifier-128": 10**9, "adm-64": 2 * 10**9, "classifier-64": 10**8, "adm-u": 5 * 10**9}
"""Forward FLOPs, rounded, so that days are known by hand."""


@pytest.fixture
def compute_of(tmp_path):
    """The days of a run, whose networks have the FLOPs above, and whose GAN took a hundred days at full utilisation."""
    path = tmp_path / "flops.json"
    models = {name: {"forward_flops": flops} for name, flops in FLOPS.items()}
    write_sealed_json(path, {"models": models, "gans": {"digits": {"training_flops": 100 * 120e12 * DAY}}})
    return lambda params, run: run_tables.compute_of(params, params.tables["table_10"], run, {"sizes": {"": path}})


def days(iterations, batch, rate):
    return iterations * batch / rate / DAY


def theoretical(name):
    return 120e12 / (3 * FLOPS[name])


def test_compute_is_iterations_times_batch_by_rate_of_every_network_of_a_run(params, changed, compute_of):
    batch = {name: params.models[name].training.batch_size for name in FLOPS}
    guided = (
        days(4360, batch["adm-128"], theoretical("adm-128")),
        days(1000, batch["classifier-128"], theoretical("classifier-128")),
    )
    assert compute_of(params, "adm-128-4360") == pytest.approx((*guided, sum(guided)))
    assert compute_of(params, "scale-0") == pytest.approx((guided[0], 0, guided[0]))
    stack = (
        days(500, batch["adm-u"], theoretical("adm-u")) + days(540, batch["adm-64"], theoretical("adm-64")),
        days(500, batch["classifier-64"], theoretical("classifier-64")),
    )
    assert compute_of(params, "stack-540-500") == pytest.approx((*stack, sum(stack)))
    assert compute_of(params, "gan-1") == pytest.approx((100, 0, 100))
    measured = changed(params, "tables", "table_10", images_per_v100_second={"adm-128": 24.8})
    generator, classifier, _ = compute_of(measured, "adm-128-4360")
    assert generator == pytest.approx(days(4360, batch["adm-128"], 24.8))
    assert classifier == guided[1]


def test_the_compute_table_prints_the_papers_days_as_they_are(params, inputs):
    printed, shown = read_paper_table("table_10"), params.tables["table_10"]
    table = run_tables.compute_table(printed, params, shown, inputs)
    assert table["Generator compute, paper"].tolist()[:5] == ["", "116", "116", "", "92"]
    assert table["Classifier compute, paper"].tolist()[:7] == ["", "-", "-", "", "-", "", "9"]
    assert table["Total compute, paper"].tolist() == printed["total_compute"].tolist()
    here = table["Total compute, here"]
    trained = [isinstance(source, str) for source in shown.rows]
    assert [text != "" for text in here] == trained
    generator, classifier = (
        pd.to_numeric(table[f"{name} compute, here"], errors="coerce") for name in ("Generator", "Classifier")
    )
    total = pd.to_numeric(here, errors="coerce")
    assert np.allclose(total[trained], (generator + classifier)[trained], rtol=0.01)
    assert table["Note"].tolist() == printed["note"].tolist()


SWEEP = pd.DataFrame(
    {
        "group": ["A"] * 5 + ["B"] * 3,
        "sampler": ["250 steps"] * 3 + ["DDIM"] * 2 + ["250 steps"] * 3,
        "gradient_scale": [0.5, 1.0, 2.0, 1.0, 1.25, 1.0, 2.0, 3.5],
        "chosen": [True, False, False, False, True, False, False, True],
    }
)


def test_the_lowest_fid_of_each_sweep_is_marked_and_none_where_one_run_stands_alone(params, score, tmp_path):
    fids = {"scale-0_5": 3.0, "scale-2": 2.0, "scale-4": 4.0, "ddim-1": 9.0, "scale-256-2": 1.0, "scale-256-4": 1.5}
    paths = {run: tmp_path / f"{run}.json" for run in fids}
    for run, value in fids.items():
        write_sealed_json(paths[run], score(params, run, value))
    sources = ["scale-0_5", "scale-2", "scale-4", "ddim-1", REASON, "scale-256-2", REASON, "scale-256-4"]
    table = run_tables.sweep_table(SWEEP, params, SweepsParams(rows=sources), {"metrics": paths})
    assert table["Chosen, here"].tolist() == ["", "chosen", "", "", "", "chosen", "", ""]
    assert table["Chosen, paper"].tolist() == ["chosen", "", "", "", "chosen", "", "", "chosen"]
    assert table["Scale, here"].tolist() == ["0.5", "2", "4", "1", "", "2", "", "4"]
    assert table["Scale, paper"].tolist() == ["0.5", "1", "2", "1", "1.25", "1", "2", "3.5"]
    assert table["FID, here"].isna().tolist() == [isinstance(source, NoSource) for source in sources]
    assert table["Here"].tolist()[4] == REASON.none


MEASURED = {
    "forward_flops": 10**9,
    "peak_flops": 3.0e11,
    "device": "A processor",
    "threads": 2,
    "naive": {"batch_size": 4, "images_per_second": [9.0, 1000.0, 10.0]},
    "optimised": {"batch_size": 8, "images_per_second": [25.0]},
}


def measured(params, key):
    return {**MEASURED, "made_by": record("throughput", timed(params, key), {}, [])}


ONE_OF_FIVE = ThroughputTableParams(models=["throughput-64", *[REASON] * 4])


def test_throughput_stands_beside_the_papers_with_its_share_of_this_machines_peak(params, inputs):
    printed = read_paper_table("table_7")
    table = hyperparameters.throughput_table(printed, params, ONE_OF_FIVE, inputs)
    assert table["row"].tolist() == printed["row"].tolist() == ["Theoretical", "Naive", "Optimized"] * 5
    # 1e9 FLOPs forward are 3e9 a step: 120e12 allow 40000 images a second on a V100, 3e11 allow 100 here.
    assert table["Images/V100-s, here, in theory"].tolist()[:3] == ["40000.0", "", ""]
    assert table["Images/s, here"].tolist()[:3] == ["100.0", "10.0", "25.0"]  # the median of three
    assert table["Utilisation, here"].tolist()[:3] == ["100%", "10%", "25%"]
    assert table["Batch, here"].tolist()[:3] == ["", "4", "8"]
    assert table["Here"].tolist()[3:] == [REASON.none] * 12
    assert set(table["Images/s, here"][3:]) == {""}
    assert table["Images/V100-s, paper"].tolist() == [f"{rate:.1f}" for rate in printed["images_per_v100_second"]]
    assert table["Utilisation, paper"].tolist()[:3] == ["100%", "20%", "41%"]
    assert table["Batch, paper"].tolist()[:3] == ["", "32", "96"]


def model_table(params, folder, name, sources, sizes):
    networks = {key: params.models[key] for key in sizes}
    models = {key: {"parameters": count} for key, count in sizes.items()}
    write_sealed_json(folder / "sizes.json", {"models": models, "made_by": record("sizes", networks, {}, [])})
    shown = HyperparametersParams(columns=sources)
    return hyperparameters.model_table(read_paper_table(name), params, shown, {"sizes": {"": folder / "sizes.json"}})


def test_hyperparameters_are_those_of_the_params_file(params, tmp_path):
    printed = read_paper_table("table_11")
    sizes = {"lsun-bedroom": 1_234_567, "adm-64": 295_904_454, "adm-128": 9_999_999, "adm-256": 10_000_000}
    table = model_table(params, tmp_path, "table_11", [*sizes, REASON], sizes)
    assert table["row"].tolist() == printed["row"].tolist()
    table = table.set_index("row")
    ours = {name: table[f"{name}, here"] for name in printed if name not in ("row", "note")}
    assert [column["Model size"] for column in ours.values()] == ["1.23M", "296M", "10.00M", "10M", ""]
    assert [column["Iterations"] for column in ours.values()] == ["800", "540", "4360", "1980", ""]
    assert [column["Depth"] for column in ours.values()] == ["1", "1", "1", "2", ""]
    assert (ours["LSUN"]["Diffusion steps"], ours["LSUN"]["Noise Schedule"]) == ("100", "linear")
    network = {"Channels multiple": "1,2", "Heads": "", "Heads Channels": "32", "BigGAN up/downsample": "yes"}
    assert ours["ImageNet 128"][[*network]].to_dict() == network
    assert ours["ImageNet 128"]["Learning Rate"] == "2e-3"
    assert ours["ImageNet 512"].iloc[0] == REASON.none
    assert set(ours["ImageNet 512"].iloc[1:]) == {""}
    for name in ours:
        assert table[f"{name}, paper"].tolist() == printed[name].tolist()


def test_classifiers_have_their_pooling_and_upsamplers_none(params, tmp_path):
    sources = ["classifier-64", "classifier-128", "classifier-128", REASON]
    sizes = dict.fromkeys(("classifier-64", "classifier-128", "adm-u"), 10**8)
    classifiers = model_table(params, tmp_path, "table_12", sources, sizes).set_index("row")
    assert classifiers.loc["Attention pooling", "ImageNet 64, here"] == "yes"
    assert classifiers.loc["Weight decay", "ImageNet 64, here"] == "0.05"
    upsamplers = model_table(params, tmp_path, "table_13", ["adm-u", REASON], sizes).set_index("row")
    assert upsamplers.loc["Batch size", "ImageNet 64→256, here"] == "16"


def test_gradient_scales_stand_in_one_row_a_sampler(params):
    printed = read_paper_table("table_14")
    table = hyperparameters.scale_table(printed, params, params.tables["table_14"], {})
    assert table["row"].tolist() == printed["row"].tolist()
    assert table["ImageNet 128, here"].tolist() == ["1 (25 steps)", "1.25 (10 steps)"]
    assert table["ImageNet 128, paper"].tolist() == ["0.5", "1.25"]
    assert table["ImageNet 64, paper"].tolist() == ["1", ""]
    assert table["ImageNet 64, here"].tolist()[1] == "the paper has none"


# What tables and figures read.


def test_intervals_are_students_around_the_measured_value(params, score, tmp_path):
    values = np.random.default_rng(0).normal(10.0, 2.0, 16)
    content = score(params, "scale-0", 10.0) | {"jackknife": {"fid": {"values": values.tolist(), "pairs": []}}}
    write_sealed_json(tmp_path / "run.json", content)
    bounds = read_metrics(params, ["scale-0"], ["fid"], {"metrics": {"scale-0": tmp_path / "run.json"}}).loc["scale-0"]
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (bounds["fid_low"], bounds["fid_high"]) == pytest.approx((expected.low, expected.high))


def test_metrics_come_in_the_order_asked_for_with_their_errors(params, fid, inputs):
    found = read_metrics(params, ["scale-2", "scale-0"], ["kid", "fid"], inputs)
    assert found.index.tolist() == ["scale-2", "scale-0"]
    assert found["fid"].tolist() == [fid["scale-2"], fid["scale-0"]]
    assert found.columns.tolist() == ["kid", "kid_standard_error", "fid"]


def test_what_holds_no_such_metrics_is_refused(params, tmp_path):
    path = tmp_path / "a.json"
    for metrics in ([1], {"fid": "x"}, {"sfid": 1.0}):
        write_sealed_json(path, {"metrics": metrics, "jackknife": {}, "num_samples": 4})
        with pytest.raises(UserError, match=r"a\.json: holds no"):
            read_metrics(params, ["scale-0"], ["fid"], {"metrics": {"scale-0": path}})


LOG = "step,seconds,images_per_second,loss\n"


def test_training_seconds_are_the_sum_of_the_segments(params, tmp_path):
    chain = params.chain("adm-128-500")
    assert len(chain) == 3
    paths = {segment: tmp_path / f"{segment}.csv" for segment in chain}
    for number, segment in enumerate(chain):
        write_sealed_csv(paths[segment], f"{LOG}1,99.0,1,1\n2,{10.0 * (number + 1)},1,1\n", "f")
    assert read_training_seconds(params, "adm-128-500", {"training": paths}) == 60.0
    assert read_training_seconds(params, "adm-128-0", {"training": {}}) == 0.0
    paths[last := chain[-1]].unlink()
    with pytest.raises(UserError, match=rf"{last}\.csv: does not exist"):
        read_training_seconds(params, "adm-128-500", {"training": paths})


def test_a_table_of_ones_own_shows_any_runs_and_metrics_with_their_errors(params, score, tmp_path):
    kernel = {"kid": 0.0123, "kid_standard_error": 0.0004, "fid_held_out": 0.9, "fid_infinity": 8.25}
    large = {"kid": 3201.84, "kid_standard_error": 110.3, "fid_infinity": None, "fid_held_out": 0.9}
    paths = {run: tmp_path / f"{run}.json" for run in ("gan-1", "scale-0")}
    write_sealed_json(paths["gan-1"], score(params, "gan-1", 0.06, **kernel))
    write_sealed_json(paths["scale-0"], score(params, "scale-0", 0.06, **large))
    shown = OwnTableParams(
        rows={"the GAN": "gan-1", "ours": "scale-0"},
        metrics=["fid", "fid_infinity", "kid", "fid_held_out"],
        caption="C.",
    )
    table = own_table(params, shown, {"metrics": paths})
    assert table.columns.tolist() == ["Run", "Here", "FID", "FID of infinitely many", "KID", "FID, held out"]
    assert table["Run"].tolist() == ["the GAN", "ours"]
    assert table["FID of infinitely many"].tolist() == ["8.25 ± 0.06", ""]
    assert table["KID"].tolist() == ["0.0123 ± 0.0004", "3200 ± 110"]
    assert table["FID, held out"].tolist() == [0.9, 0.9]
    assert table["Here"].tolist()[0] == "GAN digits, truncation 1"


def test_a_table_of_ones_own_shows_intervals_of_what_has_them_where_it_is_told_to(params, score, tmp_path):
    path = tmp_path / "scale-0.json"
    write_sealed_json(path, score(params, "scale-0", 10.0, ["fid", "kid"]))
    shown = OwnTableParams(rows={"ours": "scale-0"}, metrics=["fid", "fid_held_out"], intervals=True, caption="C.")
    table = own_table(params, shown, {"metrics": {"scale-0": path}})
    assert table["FID"].tolist() == ["10.00 [9.50, 10.50]"]
    assert table["FID, held out"].tolist() == [10.0]
    plain = own_table(params, shown.model_copy(update={"intervals": False}), {"metrics": {"scale-0": path}})
    assert plain["FID"].tolist() == [10.0]
