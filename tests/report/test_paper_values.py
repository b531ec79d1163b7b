"""The transcribed tables against the paper's text, against each other and against the networks."""

import csv
import math
import os
import re
from itertools import groupby, pairwise
from pathlib import Path

import pytest

import adm.paper
from adm.nets.cost import network_cost
from adm.nets.presets import PRESETS, preset_model
from adm.nets.weights import model_network
from adm.report.compute import theoretical_throughput
from adm.report.run_tables import read_paper_table as table

TABLES = tuple(range(6, 17))
FIGURES = (*map(str, range(5, 10)), "10a", "10b", "10c", *map(str, range(11, 28)))
METRICS = ("fid", "sfid", "precision", "recall")

NAMES = {
    "Batch Size per GPU": "batch_size_per_gpu",
    "Throughput Imgs per V100-sec": "images_per_v100_second",
    "Utilization": "utilisation",
    "Prec": "precision",
    "Rec": "recall",
}
FOOTNOTE = re.compile(r"\^\{\\d?dagger\}|\*$")
PRINTED = {  # heading of Tables 11-13 -> preset
    11: {"LSUN": "lsun_cat"} | {f"ImageNet {size}": f"imagenet{size}" for size in (64, 128, 256, 512)},
    12: {f"ImageNet {size}": f"classifier_imagenet{size}" for size in (64, 128, 256, 512)},
    13: {"ImageNet 64→256": "upsampler_64_256", "ImageNet 128→512": "upsampler_128_512"},
}


@pytest.fixture(scope="module")
def specification():
    path = os.environ.get("ADM_SPECIFICATION")
    if path is None:
        pytest.skip("the paper's text is not distributed; name its place in ADM_SPECIFICATION")
    return Path(path).read_text(encoding="utf-8")


def transcribed(root, stem):
    """The csv's rows as they are, header first, split into the paper's cells and our notes."""
    with (root / "adm" / "paper" / f"{stem}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len({len(row) for row in rows}) == 1
    if rows[0][-1] != "note":
        return rows, [""] * len(rows)
    return [row[:-1] for row in rows], [row[-1] for row in rows]


def printed_rows(text, number):
    """The tab-separated rows of a table, cut to the columns that have a heading, or lead."""
    blocks = [list(lines) for tabbed, lines in groupby(text.split("\n"), lambda line: "\t" in line) if tabbed]
    assert len(blocks) == len(TABLES)
    rows = [line.split("\t") for line in blocks[TABLES.index(number)]]
    width = max(column for column, heading in enumerate(rows[0]) if heading) + 1
    assert not any(cell for row in rows for cell in row[width:])
    return [row[:width] for row in rows]


def plain(cell):
    """A cell without citation, footnote mark and LaTeX."""
    cell = re.sub(r" \[\d+\]$", "", cell.replace("$", ""))
    return FOOTNOTE.sub("", re.sub(r"\s*\\?r?ightarrow\s*", "→", cell)).strip()


def grouped(number, body):
    """The rows under their group, with the row's label next; True where a footnote mark stands."""
    if number == 7:
        assert len(body) % 3 == 0
        labels = [[row[0] for row in body[start : start + 3]] for start in range(0, len(body), 3)]
        assert all(not first and middle and not last for first, middle, last in labels)
        return [([labels[at // 3][1], *row[1:]], False) for at, row in enumerate(body)]
    rows, group = [], []
    for row in body:
        if number in (10, 16) and not any(re.fullmatch(r"\d\.\d\d", cell) for cell in row):
            group = ["".join(row)]
        else:
            rows.append(([*group, *row], any(FOOTNOTE.search(cell) for cell in row)))
    return rows


def cell_of(number, row, cell):
    """A cell as the csv writes it."""
    cell = plain(cell)
    if number == 7:
        cell = cell.removesuffix("%")
    if number in (7, 14) and cell == "-":
        return ""
    if row[0] in ("BigGAN up/downsample", "Attention pooling") and cell in ("1", "✓"):
        return "yes"
    return cell


@pytest.mark.parametrize("number", TABLES)
def test_every_cell_is_as_printed(root, specification, number):
    heading, *body = printed_rows(specification, number)
    rows = grouped(number, body)
    lead = ["group", "row"] if number in (7, 10, 16) else ["row"]
    measured = [plain(name) for name in heading[2 if number == 7 else 1 :]]
    if number not in (11, 12, 13, 14):
        measured = [NAMES.get(name, name.lower().replace(" ", "_")) for name in measured]
    expected = [[cell_of(number, row, cell) for cell in row] for row, _ in rows]
    found, notes = transcribed(root, f"table_{number}")
    assert found == [[*lead, *measured], *expected]
    assert all(note for note, (_, marked) in zip(notes[1:], rows, strict=True) if marked)


@pytest.mark.parametrize("number", TABLES)
def test_values_are_in_range(number):
    values = table(f"table_{number}")
    for name in values.columns.intersection(METRICS):
        assert values[name].between(0, 1 if name in ("precision", "recall") else 20, inclusive="neither").all()
    keys = ["group", "row"] if "group" in values else ["row"]
    assert (values[keys] != "").all(axis=None)
    # Table 10 alone has two rows of one label, told apart by their note.
    assert not values.duplicated([*keys, "note"] if number == 10 else keys).any()


def thousands(label):
    return 1000 * int(label.removesuffix("K"))


@pytest.mark.parametrize("number", [8, 9])
def test_longer_training_has_lower_fid(number):
    values = table(f"table_{number}")
    assert all(left < right for left, right in pairwise(values["row"].map(thousands)))
    assert values["fid"].is_monotonic_decreasing


def test_utilisation_is_the_share_of_the_theoretical_throughput():
    for _, rows in table("table_7").groupby("group"):
        share = 100 * rows["images_per_v100_second"] / rows["images_per_v100_second"].iloc[0]
        assert list(share.round()) == list(rows["utilisation"])
        assert list(rows["row"]) == ["Theoretical", "Naive", "Optimized"]


NETWORKS = {
    **{f"{side}×{side}": f"imagenet{side}" for side in (64, 128, 256)},
    **{"64→256": "upsampler_64_256", "128→512": "upsampler_128_512"},
}


@pytest.mark.parametrize("group", NETWORKS)
def test_theoretical_throughput_follows_from_the_networks_flops(group):
    printed = table("table_7").query("row == 'Theoretical'").set_index("group")["images_per_v100_second"]
    found = theoretical_throughput(network_cost(preset_model(NETWORKS[group])).flops)
    assert f"{found:.1f}" == f"{printed[group]:.1f}"


def test_table_10_repeats_tables_8_9_and_16():
    compared = table("table_10")
    for group, number, iterations in [
        ("ImageNet 128×128", 8, "4360K"),
        ("ImageNet 256×256", 9, "750K"),
        ("ImageNet 256×256", 9, "1980K"),
    ]:
        source = table(f"table_{number}").set_index("row").loc[iterations, list(METRICS)]
        rows = compared[(compared["group"] == group) & (compared["row"] == f"ADM-G ({iterations})")]
        assert list(rows.loc[rows["note"] == "", list(METRICS)].squeeze()) == list(source)
    lsun = table("table_16").set_index(["group", "row"])[list(METRICS)]
    for group, row, printed in [
        ("LSUN Horse 256×256", "ADM (dropout, 250K)", "LSUN Horses 256×256"),
        ("LSUN Cat 256×256", "ADM (dropout, 200K)", "LSUN Cat 256×256"),
    ]:
        (found,) = compared[(compared["group"] == group) & (compared["row"] == row)][list(METRICS)].to_numpy().tolist()
        assert found == list(lsun.loc[(printed, "1000 steps")])


def test_compute_adds_up_but_in_the_one_row_that_says_so():
    rows = table("table_10").query("classifier_compute.str.isdecimal()")
    sums = rows["generator_compute"] + rows["classifier_compute"].astype(float)
    wrong = rows[sums != rows["total_compute"].astype(float)]
    assert list(wrong["row"]) == ["ADM-G (200K), ADM-U (150K)"]
    assert wrong["note"].str.contains("add up").all()


def test_schedules_have_250_steps_and_agree_with_table_16():
    swept = table("table_15")
    schedules = [[int(steps) for steps in row.split(", ")] for row in swept["row"]]
    assert all(len(schedule) == 5 and sum(schedule) == 250 for schedule in schedules)
    assert swept["fid"].is_monotonic_decreasing
    bedrooms = table("table_16").query("group == 'LSUN Bedrooms 256×256'").set_index("row")["fid"]
    assert bedrooms["250 steps (uniform)"] == swept.set_index("row")["fid"]["50, 50, 50, 50, 50"] == 2.31
    assert bedrooms["250 steps (sweep)"] == swept["fid"].min() == 2.02


def million_parameters(name):
    return sum(parameter.numel() for parameter in model_network(preset_model(name)).parameters()) / 1e6


@pytest.mark.parametrize(
    ("number", "heading"), [(number, heading) for number in PRINTED for heading in PRINTED[number]]
)
def test_hyperparameters_are_those_of_the_presets(number, heading):
    name = PRINTED[number][heading]
    params = PRESETS[name]
    printed = table(f"table_{number}").set_index("row")[heading]
    millions = million_parameters(name)
    # 552.8 million are printed as 552M, the one size that is cut off.
    assert printed["Model size"] == f"{math.floor(millions) if heading == 'LSUN' else round(millions)}M"
    assert printed["Channels"] == str(params.channels)
    assert printed["Depth"] == str(params.depth)
    assert [float(factor) for factor in printed["Channels multiple"].split(",")] == list(params.channel_multiplier)
    assert printed.get("Heads", "") == str(params.heads or "")
    assert printed["Heads Channels"] == str(params.head_channels or "")
    if number != 12:
        assert float(printed["Dropout"]) == params.dropout
    if heading != "ImageNet 128→512":  # noted beside the table
        assert printed["Attention resolution"] == ",".join(map(str, params.attention_resolutions))
        assert printed["BigGAN up/downsample"] == "yes"


def test_the_chosen_of_each_sweep_is_table_14s():
    swept = table("appendix_k")
    used = table("table_14").set_index("row")
    sweeps = swept.groupby(["group", "sampler"])
    assert len(sweeps) == 6
    for (group, sampler), rows in sweeps:
        wanted = used.loc[f"Gradient Scale ({sampler})", group.partition("×")[0]]
        assert list(rows.loc[rows["chosen"], "gradient_scale"]) == [wanted]
        assert rows["gradient_scale"].is_monotonic_increasing


def test_every_table_and_figure_has_a_caption():
    assert (*(f"table_{number}" for number in TABLES), "appendix_k") == adm.paper.TABLES
    assert tuple(f"figure_{number}" for number in FIGURES) == adm.paper.FIGURES
    assert {*adm.paper.TABLES, *adm.paper.FIGURES} <= {key for key, text in adm.paper.captions().items() if text}
