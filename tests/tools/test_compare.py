"""`compare`: equal, close, measured in seconds, or different and where; artifact by artifact."""

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from damage import sealed_json
from PIL import Image
from safetensors.numpy import load_file, save_file

from adm.artifacts.closeness import CHUNK, Tolerance, compare_arrays, compare_texts
from adm.artifacts.reading import open_arrays
from adm.evaluation.timings import LOG_COLUMNS
from adm.training.log import TrainingLog

DEFAULT = Tolerance(1.0e-5, 1.0e-8)
CHECKPOINT = "checkpoints/m-9/ema.safetensors"
SAMPLES = "samples/run/samples.npz"
DATA = "data/digits/images.npy"


@pytest.fixture
def pair(results, tmp_path):
    """Two results folders that are the same; the second is for changing."""
    other = tmp_path / "other"
    shutil.copytree(results, other)
    return SimpleNamespace(a=results, b=other)


def compared(adm, pair, *options):
    """The exit code, the lines that name what is not equal, and the counts by kind that are not 0."""
    exit_code, out, err = adm("compare", pair.a, pair.b, *options)
    assert err == ""
    lines = out.splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if line.startswith("|")][2:]
    counts = {kind: int(count) for kind, count in cells if count != "0"}
    assert sum(counts.values()) - counts.get("equal", 0) == len([line for line in lines if not line.startswith("|")])
    return exit_code, [" ".join(line.split()) for line in lines if not line.startswith("|")], counts


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_bytes(sealed_json(content))


def edit_arrays(path, change):
    """Change the arrays of a file, a table by name."""
    if path.suffix == ".npy":
        arrays = {"": np.load(path)}
        change(arrays)
        np.save(path, arrays[""])
    elif path.suffix == ".npz":
        with np.load(path) as file:
            arrays = dict(file)
        change(arrays)
        np.savez(path, **arrays)
    else:
        arrays = load_file(path)
        change(arrays)
        save_file(arrays, path)


def edit_text(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_folder_equals_itself_and_its_copy(adm, pair, tmp_path):
    assert compared(adm, pair) == (0, [], {"equal": 23})
    assert compared(adm, SimpleNamespace(a=pair.a, b=pair.a)) == (0, [], {"equal": 23})
    assert compared(adm, pair, "--out", tmp_path / "report.json")[0] == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["tolerance"] == {"rtol": 1e-5, "atol": 1e-8}
    assert report["counts"]["equal"] == len(report["artifacts"]) == 23
    assert report["artifacts"]["claims.json"] == {"kind": "equal", "words": "", "apart": 0.0, "made": ""}


def test_what_is_no_result_is_left_out(adm, pair):
    for name in ("work", "logs", "shards", "jobs"):
        shutil.rmtree(pair.b / name)
    (pair.b / "data" / ".digits.part").write_text("more")
    assert compared(adm, pair) == (0, [], {"equal": 23})


def test_what_is_on_one_side_only(adm, pair):
    shutil.rmtree(pair.b / "samples")
    (pair.a / "figures" / "figure_6.png").unlink()
    assert compared(adm, pair) == (
        1,
        ["only in B figures/figure_6.png", "only in A samples/run"],
        {"equal": 21, "only in A": 1, "only in B": 1},
    )


def scaled(name, factor):
    def change(arrays):
        arrays[name] = arrays[name] * np.asarray(factor, arrays[name].dtype)

    return change


def with_value(name, index, value):
    def change(arrays):
        arrays[name][index] = value

    return change


def without(name):
    def change(arrays):
        del arrays[name]

    return change


def replaced(name, function):
    def change(arrays):
        arrays[name] = function(arrays[name])

    return change


ARRAYS = {
    "floats within": (CHECKPOINT, scaled("a.weight", 1 + 1e-6), "close", "a.weight["),
    "floats beyond": (CHECKPOINT, scaled("a.weight", 1 + 1e-3), "different", "a.weight["),
    "NaN on one side": (CHECKPOINT, with_value("b", 0, 0.0), "different", "b[0]: nan, there 0.0; 1 of 3 differ"),
    "infinity on one side": (CHECKPOINT, with_value("b", 1, np.inf), "different", "b[1]: 2.0, there inf; 1 of 3"),
    "another dtype": (CHECKPOINT, replaced("b", np.float32), "different", "b: float64"),
    "another shape": (CHECKPOINT, replaced("a.weight", lambda array: array.T.copy()), "different", "a.weight: float32"),
    "an array less": (SAMPLES, without("arr_1"), "different", "arr_1: is missing there"),
    "another order of axes": (SAMPLES, replaced("arr_0", np.asfortranarray), "different", "arr_0: its axes"),
    "pixels one apart": (DATA, replaced("", lambda array: array + np.uint8(1)), "different", "[0, 0, 0, 0]: "),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(adm, pair, case):
    name, change, kind, words = ARRAYS[case]
    edit_arrays(pair.b / name, change)
    exit_code, (line,), counts = compared(adm, pair)
    folder, file = name.rsplit("/", 1)
    assert (exit_code, counts) == (int(kind == "different"), {"equal": 22, kind: 1})
    assert line.startswith(f"{kind} {folder}: {file}: {words}")


def test_the_largest_difference_is_the_one_told(adm, pair):
    edit_arrays(pair.b / SAMPLES, lambda arrays: arrays["arr_1"].__setitem__([2, 4], [90, 5]))
    assert compared(adm, pair)[1] == ["different samples/run: samples.npz: arr_1[2]: 2, there 90; 2 of 5 differ"]


def test_tolerances_are_options(adm, pair):
    edit_arrays(pair.b / CHECKPOINT, scaled("a.weight", 1 + 1e-3))
    assert compared(adm, pair)[0] == 1
    assert compared(adm, pair, "--rtol", "1e-2")[2] == {"equal": 22, "close": 1}
    assert compared(adm, pair, "--atol", "1e-2", "--rtol", 0)[2] == {"equal": 22, "close": 1}


def test_of_whole_numbers_atol_alone_is_tolerated(adm, pair):
    edit_arrays(pair.b / DATA, replaced("", lambda array: array + np.uint8(1)))
    assert compared(adm, pair, "--rtol", 10)[2] == {"equal": 22, "different": 1}
    assert compared(adm, pair, "--atol", 1)[2] == {"equal": 22, "close": 1}


def test_the_same_numbers_in_other_bytes_are_close(adm, pair):
    with np.load(pair.b / SAMPLES) as arrays:
        np.savez_compressed(pair.b / SAMPLES, **arrays)
    save_file(load_file(pair.b / CHECKPOINT), pair.b / CHECKPOINT, metadata={"by": "another"})
    words = "the same content, stored in other bytes"
    assert compared(adm, pair) == (
        0,
        [f"close checkpoints/m-9: ema.safetensors: {words}", f"close samples/run: samples.npz: {words}"],
        {"equal": 21, "close": 2},
    )


JSON = {
    "a metric within": (lambda c: c["metrics"].update(fid=3.2500001), "close", "metrics.fid: 3.25, there 3.2500001"),
    "a metric": (lambda c: c["metrics"].update(fid=3.3), "different", "metrics.fid: 3.25, there 3.3"),
    "no number": (lambda c: c["metrics"].update(fid=None), "different", "metrics.fid"),
    "a part": (lambda c: c["jackknife"]["fid"].__setitem__(1, 4.0), "different", "jackknife.fid[1]"),
    "a part more": (lambda c: c["jackknife"]["fid"].append(4.0), "different", "jackknife.fid"),
    "a metric more": (lambda c: c["metrics"].update(sfid=1.0), "different", "metrics.sfid"),
    "a metric less": (lambda c: c["metrics"].clear(), "different", "metrics.fid"),
    "a truth for a number": (lambda c: c.update(num_samples=True), "different", "num_samples"),
}


@pytest.mark.parametrize("case", JSON)
def test_numbers_of_json(adm, pair, case):
    change, kind, words = JSON[case]
    edit_json(pair.b / "metrics" / "run.json", change)
    exit_code, (line,), counts = compared(adm, pair)
    assert (exit_code, counts) == (int(kind == "different"), {"equal": 22, kind: 1})
    assert line.startswith(f"{kind} metrics/run.json: {words}")


def test_other_versions_code_and_parents_are_told_and_no_difference(adm, pair):
    def change(content):
        content["versions"]["numpy"] = "1.0"

    edit_json(pair.b / "data" / "digits" / "manifest.json", change)
    edit_json(pair.b / "checkpoints" / "m-0" / "manifest.json", lambda content: content.update(code="0"))
    edit_json(pair.b / "metrics" / "run.json", lambda content: content["made_by"]["inputs"].update(features="0"))
    exit_code, (first, second, third), counts = compared(adm, pair)
    assert (exit_code, counts) == (0, {"equal": 20, "remade": 3})
    assert first.startswith("remade checkpoints/m-0: manifest.json: code: ")
    assert second.startswith("remade data/digits: manifest.json: versions.numpy: ")
    assert second.endswith("there '1.0'")
    assert third.startswith("remade metrics/run.json: inputs.features: ")


def test_other_params_are_told_beside_what_they_led_to(adm, pair):
    edit_json(
        pair.b / "checkpoints" / "m-9" / "manifest.json",
        lambda content: content["params"]["run"].update(dataset="cats"),
    )
    edit_arrays(pair.b / CHECKPOINT, with_value("b", 2, 9.0))
    (line,) = compared(adm, pair)[1]
    assert line.startswith("different checkpoints/m-9: ema.safetensors: b[2]: 3.0, there 9.0")
    assert "params.run.dataset" in line


def test_facts_are_content(adm, pair):
    path = pair.b / "extractors" / "digits" / "manifest.json"
    edit_json(path, lambda content: content["facts"].update(held_out_accuracy=0.5))
    assert compared(adm, pair)[:2] == (
        1,
        ["different extractors/digits: manifest.json: facts.held_out_accuracy: 0.9, there 0.5"],
    )


def test_a_file_more_or_less_in_an_artifact(adm, pair):
    (pair.a / "checkpoints" / "m-9" / "progress.json").unlink()
    (pair.b / "samples" / "run" / "samples.npz").unlink()
    (pair.b / "data" / "digits" / "manifest.json").unlink()
    assert compared(adm, pair)[1] == [
        "different checkpoints/m-9: progress.json: is missing here",
        "different data/digits: manifest.json: is missing there",
        "different samples/run: samples.npz: is missing there",
    ]


def test_a_file_where_a_folder_was(adm, pair):
    shutil.rmtree(pair.b / "samples" / "run")
    (pair.b / "samples" / "run").write_text("")
    # A folder with a file that may not stand alone is an artifact without a manifest.
    assert compared(adm, pair)[:2] == (1, ["only in B samples", "only in A samples/run"])


def test_numbers_of_csv(adm, pair):
    edit_text(pair.b / "training" / "m-9.csv", "0.25", "0.250000001")
    edit_text(pair.b / "tables" / "table_8.csv", "3.25", "3.5")
    assert compared(adm, pair)[1] == [
        "different tables/table_8.csv: row 1, FID, here: 3.25, there 3.5",
        "close training/m-9.csv: row 2, loss: 0.25, there 0.250000001",
    ]


CSV = {
    "another column": ("loss", "mse", "its columns: "),
    "another step": ("5,1.25", "6,1.25", "row 1, step: 5, there 6"),
    "a row less": ("9,2.5,0.25\n", "", "row 2: "),
    "a row cut short": (",0.25\n", "\n", "row 2: "),
    "NaN": ("0.25", "nan", "row 2, loss: "),
}


@pytest.mark.parametrize("case", CSV)
def test_other_changes_of_csv(adm, pair, case):
    old, new, words = CSV[case]
    edit_text(pair.b / "training" / "m-9.csv", old, new)
    exit_code, (line,), _ = compared(adm, pair)
    assert exit_code == 1
    assert line.startswith(f"different training/m-9.csv: {words}")


def test_what_a_table_shows_is_as_close_as_its_csv(adm, pair):
    for ending, number in ((".csv", "3.2500001"), (".md", "3.26"), (".tex", "3.26")):
        edit_text(pair.b / "tables" / f"table_8{ending}", "3.25", number)
    assert compared(adm, pair)[::2] == (0, {"equal": 20, "close": 3})
    edit_text(pair.b / "tables" / "table_8.csv", "3.2500001", "3.25")
    assert compared(adm, pair)[::2] == (1, {"equal": 21, "different": 2})


def edit_pixel(path, value):
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[2, 1, 0] += value
    Image.fromarray(pixels).save(path)


def test_images_are_compared_by_pixels(adm, pair):
    with Image.open(pair.a / "figures" / "figure_6.png") as image:
        image.save(pair.b / "figures" / "figure_6.png", compress_level=0)
        image.load()
    (pair.b / "figures" / "figure_6.pdf").write_bytes(b"%PDF other")
    assert compared(adm, pair)[::2] == (0, {"equal": 21, "close": 2})
    edit_pixel(pair.b / "figures" / "figure_6.png", 3)
    exit_code, lines, _ = compared(adm, pair)
    assert (exit_code, len(lines)) == (1, 2)
    assert lines[1].startswith("different figures/figure_6.png: pixel [2, 1, 0]: ")
    assert compared(adm, pair, "--atol", 3)[0] == 0


def test_what_is_measured_in_seconds_may_differ(adm, pair):
    edit_text(pair.b / "training" / "m-9.csv", "2.5,", "99,")
    edit_json(pair.b / "throughput" / "t.json", lambda content: content["naive"].update(images_per_second=[1.5, 2.5]))
    for ending in (".csv", ".md", ".tex"):
        edit_text(pair.b / "tables" / f"table_7{ending}", "8.5", "1.5")
        edit_text(pair.b / f"claims{ending}", "8.5", "does not hold")
    edit_json(pair.b / "claims.json", lambda content: content["claims"]["speed"].update(effect="1", estimate="1"))
    edit_pixel(pair.b / "figures" / "figure_5_seconds.png", 3)
    (pair.b / "figures" / "figure_5_seconds.pdf").write_bytes(b"%PDF other")
    assert compared(adm, pair)[::2] == (0, {"equal": 12, "measured": 11})


BESIDE_MEASURED = {
    "a loss": ("training/m-9.csv", "0.25", "0.75"),
    "another claim's estimate": ("claims.csv", "fid,FID 3.25,3.25", "fid,FID 3.25,3.5"),
    "what a claim says": ("claims.csv", "speed", "pace"),
    "a model of Table 7": ("tables/table_7.csv", "64,", "128,"),
    "the batch of a throughput": ("throughput/t.json", '"batch_size": 4', '"batch_size": 5'),
    "the cost of a model": ("throughput/t.json", '"forward_flops": 12', '"forward_flops": 13'),
}


@pytest.mark.parametrize("case", BESIDE_MEASURED)
def test_what_stands_beside_measured_numbers_may_not(adm, pair, case):
    name, old, new = BESIDE_MEASURED[case]
    edit_text(pair.b / "training" / "m-9.csv", "2.5,", "99,")
    edit_json(pair.b / "throughput" / "t.json", lambda content: content.update(peak_flops=1.5))
    edit_text(pair.b / name, old, new)
    exit_code, lines, counts = compared(adm, pair)
    assert (exit_code, counts["different"]) == (1, 1)
    assert any(line.startswith(f"different {name}: ") for line in lines)


def test_the_measured_columns_of_a_log_are_written(tmp_path):
    with TrainingLog(tmp_path / "log.csv", 0, 1, 1, tmp_path / "curves") as log:
        log.add(SimpleNamespace(step=1, values={"loss": 0.5}))
    with (tmp_path / "log.csv").open(newline="") as file:
        assert set(next(csv.reader(file))) > LOG_COLUMNS


DAMAGED = {
    "npy": (DATA, 150),
    "npy's header": (DATA, 20),
    "npz": (SAMPLES, 300),
    "safetensors": (CHECKPOINT, -8),
    "safetensors' header": (CHECKPOINT, 30),
    "json": ("metrics/run.json", 40),
    "png": ("figures/figure_6.png", 60),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_line_that_names_it(adm, pair, case):
    name, length = DAMAGED[case]
    (pair.b / name).write_bytes((pair.b / name).read_bytes()[:length])
    exit_code, (line,), counts = compared(adm, pair)
    assert (exit_code, counts) == (1, {"equal": 22, "unreadable": 1})
    assert line.startswith("unreadable ")
    assert str(pair.b / name) in line


def test_pickled_objects_are_never_loaded(adm, pair):
    np.savez(pair.b / SAMPLES, arr_0=np.array([object], dtype=object))
    assert "arr_0: holds pickled Python objects, which are never loaded" in compared(adm, pair)[1][0]


def test_bytes_that_are_no_text_are_one_line(adm, pair):
    for name in ("tables/table_8.md", "training/m-9.csv"):
        (pair.b / name).write_bytes(b"\xff\xfe\n")
    _, lines, counts = compared(adm, pair)
    assert counts == {"equal": 21, "unreadable": 2}
    assert all(": is no readable " in line for line in lines)


def written(path, array):
    np.save(path, array)
    return open_arrays(path)[""]


@pytest.mark.parametrize("dtype", ["u1", "i8", "u8", "f2", "f4", "f8", "c8", "?"])
def test_every_dtype_against_numpy(tmp_path, dtype):
    draws = np.random.default_rng(1)
    a = draws.integers(0, 2, (7, 11)).astype(dtype)
    b = a.copy()
    assert compare_arrays(written(tmp_path / "a.npy", a), written(tmp_path / "b.npy", b), DEFAULT) is None
    b[3, 4] = not a[3, 4]
    found = compare_arrays(written(tmp_path / "a.npy", a), written(tmp_path / "b.npy", b), DEFAULT)
    assert (found.where, found.is_close) == ("[3, 4]", False)
    assert found.words == f"{a[3, 4]}, there {b[3, 4]}; 1 of 77 differ"


def test_whole_numbers_that_float64_cannot_tell_apart(tmp_path):
    a = np.array([2**62, 0])
    found = compare_arrays(written(tmp_path / "a.npy", a), written(tmp_path / "b.npy", a + np.array([1, 0])), DEFAULT)
    assert (found.where, found.is_close, found.apart) == ("[0]", False, 1.0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("place", [0, CHUNK - 1, CHUNK, 2 * CHUNK + 5])
def test_places_of_arrays_longer_than_what_is_read_at_a_time(tmp_path, order, place):
    a = np.zeros((3, CHUNK), np.float32, order=order)
    b = a.copy(order=order)
    index = np.unravel_index(place, a.shape)
    b[index] = 1
    b[1, 1] = 1e-9
    found = compare_arrays(written(tmp_path / "a.npy", a), written(tmp_path / "b.npy", b), DEFAULT)
    assert found.where == f"[{index[0]}, {index[1]}]"
    assert (found.apart, found.is_close) == (1.0, False)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,)])
def test_small_and_empty_arrays(tmp_path, shape):
    a, b = (written(tmp_path / f"{value}.npy", np.full(shape, float(value))) for value in (1, 2))
    assert compare_arrays(a, a, DEFAULT) is None
    found = compare_arrays(a, b, DEFAULT)
    assert (found is None) == (0 in shape)


@pytest.mark.parametrize("apart", [0.5, 2.0])
def test_closeness_is_numpys(tmp_path, apart):
    draws = np.random.default_rng(2)
    a = draws.normal(size=1000) * 10.0 ** draws.integers(-9, 9, 1000)
    b = a + apart * (1e-8 + 1e-5 * np.abs(a)) * draws.uniform(0.9, 1.0, 1000)
    found = compare_arrays(written(tmp_path / "a.npy", a), written(tmp_path / "b.npy", b), DEFAULT)
    assert found.is_close == np.isclose(a, b, rtol=1e-5, atol=1e-8).all() == (apart < 1)


TEXTS = {
    "FID 122.1 against 186.2: -64": ("FID 122.1000001 against 186.2: -64", True),
    "| a   |  1.5 |": ("| a |  1.5000001 |", True),
    "|:----|-----:|": ("|:-------|---:|", None),
    "a & 1.5 \\\\": ("a & 1.7 \\\\", False),
    "−1.5": ("1.5", False),
    "20%": ("21%", False),
    "adm-128-1000000": ("adm-128-1000001", False),
    "1000000 images": ("1000001 images", False),
    "2.13.0+cpu": ("2.13.1+cpu", False),
    "holds": ("does not hold", False),
    "nan": ("nan ", None),
}


@pytest.mark.parametrize("text", TEXTS)
def test_numbers_within_texts(text):
    other, is_close = TEXTS[text]
    found = list(compare_texts(text, other, DEFAULT))
    assert [one.is_close for one in found] == ([] if is_close is None else [is_close])


USAGE = {
    "missing folder": ("{tmp}/results {tmp}/none", "{tmp}/none: "),
    "a file": ("{tmp}/results {tmp}/results/claims.json", "{tmp}/results/claims.json: "),
    "an empty folder": ("{tmp}/empty {tmp}/results", "{tmp}/empty: "),
    "a report among the results": (
        "{tmp}/results {tmp}/empty --out {tmp}/results/report.json",
        "--out {tmp}/results/report.json: ",
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_bad_usage_is_one_line_and_exit_code_2(adm, results, tmp_path, case):
    (tmp_path / "empty").mkdir()
    arguments, message = (text.format(tmp=tmp_path) for text in USAGE[case])
    exit_code, out, err = adm("compare", *arguments.split())
    assert (exit_code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {message}")


@pytest.mark.parametrize("option", ["--rtol", "--atol"])
def test_a_negative_tolerance_is_refused(adm, results, option):
    exit_code, _, err = adm("compare", results, results, option, "-1")
    assert exit_code == 2
    assert option in err
