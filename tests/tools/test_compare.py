"""`compare`: files equal, close, measured in seconds, or different; and what moved beyond its interval."""

import json
import shutil
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from damage import sealed_json
from fabricated import PARAMS
from PIL import Image
from safetensors.numpy import load_file, save_file

from adm.artifacts.comparison import CHUNK, Tolerance, compare_files
from adm.tools import publish

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


@pytest.fixture
def compared(adm, pair, tmp_path):
    """Compare the pair: the exit code, and by its path the kind and the words of each file that is not equal."""

    def run(*options):
        exit_code, out, err = adm("compare", pair.a, pair.b, "--out", tmp_path / "report.json", *options)
        assert err == ""
        files = json.loads((tmp_path / "report.json").read_text())["files"]
        found = {path: one for path, one in files.items() if path != "counts" and one["kind"] != "equal"}
        assert all(any(path in line for line in out.splitlines()) for path in found)
        return exit_code, {path: (one["kind"], one["words"]) for path, one in found.items()}

    return run


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


def test_a_folder_equals_itself_and_its_copy(adm, pair, compared):
    assert compared() == (0, {})
    assert adm("compare", pair.a, pair.a)[0] == 0


def test_what_is_no_result_is_left_out(pair, compared):
    for name in ("work", "logs", "shards", "jobs"):
        shutil.rmtree(pair.b / name)
    (pair.b / "data" / ".digits.part").write_text("more")
    assert compared() == (0, {})


def test_what_is_on_one_side_only(pair, compared):
    shutil.rmtree(pair.b / "samples")
    (pair.a / "throughput" / "t.json").unlink()
    gone = dict.fromkeys((SAMPLES, "samples/run/manifest.json"), ("only in A", ""))
    assert compared() == (1, {"throughput/t.json": ("only in B", ""), **gone})


def test_what_shows_another_file_is_left_out(pair, compared):
    for ending in (".md", ".tex"):
        edit_text(pair.b / "tables" / f"table_8{ending}", "3.25", "3.26")
    assert compared() == (0, {})
    edit_text(pair.b / "tables" / "table_8.csv", "3.25", "3.26")
    assert [*compared()[1]] == ["tables/table_8.csv"]


def replaced(name, function):
    return lambda arrays: arrays.update({name: function(arrays[name])})


def scaled(name, factor):
    return replaced(name, lambda array: array * np.asarray(factor, array.dtype))


ARRAYS = {
    "floats within": (CHECKPOINT, scaled("a.weight", 1 + 1e-6), "close", "a.weight["),
    "floats beyond": (CHECKPOINT, scaled("a.weight", 1 + 1e-3), "different", "a.weight["),
    "NaN on one side": (CHECKPOINT, replaced("b", np.nan_to_num), "different", "b[0]: nan, there 0.0"),
    "infinity on one side": (
        CHECKPOINT,
        replaced("b", lambda b: np.where(b == 2, np.inf, b)),
        "different",
        "b[1]: 2.0, there inf",
    ),
    "another dtype": (CHECKPOINT, replaced("b", np.float32), "different", "b: "),
    "another shape": (CHECKPOINT, replaced("a.weight", lambda array: array.T.copy()), "different", "a.weight: "),
    "an array less": (SAMPLES, lambda arrays: arrays.pop("arr_1"), "different", "arr_1: is missing there"),
    "another order of axes": (SAMPLES, replaced("arr_0", np.asfortranarray), "close", "the same content"),
    "pixels one apart": (DATA, replaced("", lambda array: array + np.uint8(1)), "different", "[0, 0, 0, 0]: "),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(pair, compared, case):
    name, change, kind, words = ARRAYS[case]
    edit_arrays(pair.b / name, change)
    exit_code, found = compared()
    assert (exit_code, [*found]) == (int(kind == "different"), [name])
    assert found[name][0] == kind
    assert found[name][1].startswith(words)


def test_the_largest_difference_is_the_one_told(pair, compared):
    edit_arrays(pair.b / SAMPLES, lambda arrays: arrays["arr_1"].__setitem__([2, 4], [90, 5]))
    assert compared()[1][SAMPLES][1] == "arr_1[2]: 2, there 90"


def test_tolerances_are_options(pair, compared):
    edit_arrays(pair.b / CHECKPOINT, scaled("a.weight", 1 + 1e-3))
    assert compared()[0] == 1
    for options in (["--rtol", "1e-2"], ["--atol", "1e-2", "--rtol", 0]):
        exit_code, found = compared(*options)
        assert (exit_code, found[CHECKPOINT][0]) == (0, "close")


def test_of_whole_numbers_atol_alone_is_tolerated(pair, compared):
    edit_arrays(pair.b / DATA, replaced("", lambda array: array + np.uint8(1)))
    assert compared("--rtol", 10)[0] == 1
    assert compared("--atol", 1)[0] == 0


def test_the_same_numbers_in_other_bytes_are_close(pair, compared):
    with np.load(pair.b / SAMPLES) as arrays:
        np.savez_compressed(pair.b / SAMPLES, **arrays)
    save_file(load_file(pair.b / CHECKPOINT), pair.b / CHECKPOINT, metadata={"by": "another"})
    exit_code, found = compared()
    assert (exit_code, {path: kind for path, (kind, _) in found.items()}) == (
        0,
        {CHECKPOINT: "close", SAMPLES: "close"},
    )


JSON = {
    "a metric within": (lambda c: c["metrics"].update(fid=3.2500001), "close", "metrics.fid: 3.25, there 3.2500001"),
    "a metric": (lambda c: c["metrics"].update(fid=3.3), "different", "metrics.fid: 3.25, there 3.3"),
    "no number": (lambda c: c["metrics"].update(fid=None), "different", "metrics.fid"),
    "a part": (lambda c: c["jackknife"]["fid"]["values"].__setitem__(1, 4.0), "different", "jackknife.fid.values[1]"),
    "a metric more": (lambda c: c["metrics"].update(sfid=1.0), "different", "metrics.sfid"),
    "a truth for a number": (lambda c: c.update(num_samples=True), "different", "num_samples"),
}


@pytest.mark.parametrize("case", JSON)
def test_numbers_of_json(pair, compared, case):
    change, kind, words = JSON[case]
    edit_json(pair.b / "metrics" / "run.json", change)
    exit_code, found = compared()
    assert (exit_code, [*found]) == (int(kind == "different"), ["metrics/run.json"])
    assert found["metrics/run.json"][0] == kind
    assert found["metrics/run.json"][1].startswith(words)


def test_other_versions_code_and_parents_are_told_and_no_difference(pair, compared):
    edit_json(pair.b / "data" / "digits" / "manifest.json", lambda content: content["versions"].update(numpy="1.0"))
    edit_json(pair.b / "checkpoints" / "m-0" / "manifest.json", lambda content: content.update(code="0"))
    edit_json(pair.b / "metrics" / "run.json", lambda content: content["made_by"]["inputs"].update(features="0"))
    exit_code, found = compared()
    assert (exit_code, {kind for kind, _ in found.values()}) == (0, {"remade"})
    assert found.keys() == {"checkpoints/m-0/manifest.json", "data/digits/manifest.json", "metrics/run.json"}


def test_how_the_runs_of_a_curve_were_made_is_no_difference(pair, compared):
    for folder, code in ((pair.a, "0"), (pair.b, "1")):
        (folder / "curves").mkdir()
        content = {"runs": {"c": {**score(fid=1.0), "made_by": {"stage": "evaluate", "code": code}}}}
        (folder / "curves" / "k.json").write_bytes(sealed_json(content))
    exit_code, found = compared()
    assert (exit_code, found["curves/k.json"][0]) == (0, "remade")


def test_facts_are_content(pair, compared):
    path = pair.b / "extractors" / "digits" / "manifest.json"
    edit_json(path, lambda content: content["facts"].update(held_out_accuracy=0.5))
    words = "facts.held_out_accuracy: 0.9, there 0.5"
    assert compared() == (1, {"extractors/digits/manifest.json": ("different", words)})


def test_numbers_of_csv(pair, compared):
    edit_text(pair.b / "claims.csv", "3.25,FID", "3.250000001,FID")
    edit_text(pair.b / "tables" / "table_8.csv", "3.25", "3.5")
    assert compared()[1] == {
        "tables/table_8.csv": ("different", "row 1, FID, here: 3.25, there 3.5"),
        "claims.csv": ("close", "row 1, estimate: 3.25, there 3.250000001"),
    }


CSV = {
    "another column": ("FID", "KID", "its columns: "),
    "another run": ("run,3.25", "runs,3.25", "row 1, Run: run, there runs"),
    "a row less": ("other,nan\n", "", "row 2"),
    "NaN": ("3.25", "nan", "row 1, FID, here: "),
}


@pytest.mark.parametrize("case", CSV)
def test_other_changes_of_csv(pair, compared, case):
    old, new, words = CSV[case]
    edit_text(pair.b / "tables" / "table_8.csv", old, new)
    exit_code, found = compared()
    kind, told = found["tables/table_8.csv"]
    assert (exit_code, kind) == (1, "different")
    assert told.startswith(words)


def edit_pixel(path, value):
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[2, 1, 0] += value
    Image.fromarray(pixels).save(path)


def test_images_are_compared_by_pixels(pair, compared):
    with Image.open(pair.a / "figures" / "figure_6.png") as image:
        image.save(pair.b / "figures" / "figure_6.png", compress_level=0)
    (pair.b / "figures" / "figure_6.pdf").write_bytes(b"%PDF other")
    exit_code, found = compared()
    assert (exit_code, {kind for kind, _ in found.values()}) == (0, {"close"})
    edit_pixel(pair.b / "figures" / "figure_6.png", 3)
    exit_code, found = compared()
    assert exit_code == 1
    assert found["figures/figure_6.png"][1].startswith("pixel [2, 1, 0]: ")
    assert compared("--atol", 3)[0] == 0


def test_what_is_measured_in_seconds_may_differ(pair, compared):
    edit_text(pair.b / "training" / "m-9.csv", "2.5,", "99,")
    edit_json(pair.b / "throughput" / "t.json", lambda content: content["naive"].update(images_per_second=[1.5, 2.5]))
    for name in ("tables/table_7", "claims/speed"):
        for ending in (".csv", ".md", ".tex"):
            edit_text(pair.b / f"{name}{ending}", "8.5", "1.5")
    edit_pixel(pair.b / "figures" / "figure_5_seconds.png", 3)
    (pair.b / "figures" / "figure_5_seconds.pdf").write_bytes(b"%PDF other")
    exit_code, found = compared()
    assert (exit_code, {kind for kind, _ in found.values()}) == (0, {"measured"})
    assert len(found) == 5


DAMAGED = {
    "npy": (DATA, 150),
    "npz": (SAMPLES, 300),
    "safetensors": (CHECKPOINT, -8),
    "json": ("metrics/run.json", 40),
    "png": ("figures/figure_6.png", 60),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_a_difference_that_names_it(pair, case):
    name, length = DAMAGED[case]
    (pair.b / name).write_bytes((pair.b / name).read_bytes()[:length])
    found = compare_files(pair.a / name, pair.b / name, DEFAULT)
    assert found.kind == "different"
    assert str(pair.b / name) in found.words


def test_pickled_objects_are_never_loaded(pair, compared):
    np.savez(pair.b / SAMPLES, arr_0=np.array([object], dtype=object))
    assert "pickled Python objects, which are never loaded" in compared()[1][SAMPLES][1]


def test_bytes_that_are_no_text_are_one_line(pair, compared):
    for name in ("tables/table_8.csv", "claims.csv"):
        (pair.b / name).write_bytes(b"\xff\xfe\n")
    exit_code, found = compared()
    assert exit_code == 1
    assert all(": is no readable text" in words for _, words in found.values())


def compare_arrays(folder, a, b):
    """How two arrays compare: the words of their difference, and whether it is within the tolerance."""
    for name, array in (("a", a), ("b", b)):
        np.save(folder / f"{name}.npy", array)
    found = compare_files(folder / "a.npy", folder / "b.npy", DEFAULT)
    return found.words, found.kind in ("equal", "close")


@pytest.mark.parametrize("dtype", ["u1", "i8", "u8", "f2", "f4", "f8", "c8", "?"])
def test_every_dtype_against_numpy(tmp_path, dtype):
    draws = np.random.default_rng(1)
    a = draws.integers(0, 2, (7, 11)).astype(dtype)
    b = a.copy()
    assert compare_arrays(tmp_path, a, b) == ("", True)
    b[3, 4] = not a[3, 4]
    assert compare_arrays(tmp_path, a, b) == (f"[3, 4]: {a[3, 4]}, there {b[3, 4]}", False)


def test_whole_numbers_that_float64_cannot_tell_apart(tmp_path):
    words, is_close = compare_arrays(tmp_path, np.array([2**62, 0]), np.array([2**62 + 1, 0]))
    assert words.startswith("[0]: ")
    assert not is_close


@pytest.mark.parametrize("place", [0, CHUNK - 1, CHUNK, 2 * CHUNK + 5])
def test_places_of_arrays_longer_than_what_is_compared_at_a_time(tmp_path, place):
    a = np.zeros((3, CHUNK), np.float32)
    b = a.copy()
    index = np.unravel_index(place, a.shape)
    b[index] = 1
    b[1, 1] = 1e-9
    words, is_close = compare_arrays(tmp_path, a, b)
    assert words.startswith(f"[{index[0]}, {index[1]}]: 0.0, there 1.0")
    assert not is_close


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,)])
def test_small_and_empty_arrays(tmp_path, shape):
    a, b = (np.full(shape, float(value)) for value in (1, 2))
    assert compare_arrays(tmp_path, a, a) == ("", True)
    assert compare_arrays(tmp_path, a, b)[1] == (0 in shape)


@pytest.mark.parametrize("apart", [0.5, 2.0])
def test_closeness_is_numpys(tmp_path, apart):
    draws = np.random.default_rng(2)
    a = draws.normal(size=1000) * 10.0 ** draws.integers(-9, 9, 1000)
    b = a + apart * (1e-8 + 1e-5 * np.abs(a)) * draws.uniform(0.9, 1.0, 1000)
    assert compare_arrays(tmp_path, a, b)[1] == np.isclose(a, b, rtol=1e-5, atol=1e-8).all() == (apart < 1)


TEXTS = {
    "FID 122.1 against 186.2: -64": ("FID 122.1000001 against 186.2: -64", True),
    "| a   |  1.5 |": ("| a |  1.5000001 |", True),
    "|:----|-----:|": ("|:-------|---:|", None),
    "[1.5, 2.5]": ("[1.5, 2.5000001]", True),
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
def test_numbers_within_texts(tmp_path, text):
    other, is_close = TEXTS[text]
    for name, content in (("a", text), ("b", other)):
        (tmp_path / f"{name}.tex").write_text(content)
    found = compare_files(tmp_path / "a.tex", tmp_path / "b.tex", DEFAULT)
    assert found.kind == ("different" if is_close is False else "close")
    assert ("stored in other bytes" in found.words) == (is_close is None)


SPREAD = np.array([-1, 1]) * 0.95 / 12.7062047
"""Two values around their mean: the 95 % interval is of 0.95 to either side."""

CLAIMS = "key,statement,source,verdict,effect,estimate,low,high,measure,note\nbetter,x,y,{},z,{},{},{},FID,\n"


def score(**metrics):
    """A score of a run: metrics and the jackknife of `fid`."""
    values = {"values": (metrics["fid"] + SPREAD).tolist(), "pairs": []}
    return {"metrics": metrics, "jackknife": {"fid": values}, "num_samples": 8}


def write_results(folder, scores, params=PARAMS, claim=("holds", -2, -3, -1)):
    """A results folder: its params file, scores of runs, and the verdict of its claim."""
    for name in ("metrics", "claims", "tables"):
        (folder / name).mkdir(parents=True)
    (folder / "params.yaml").write_text(params)
    for run, content in scores.items():
        (folder / "metrics" / f"{run}.json").write_bytes(sealed_json(content))
    (folder / "claims" / "own.csv").write_text(CLAIMS.format(*claim))
    return folder


@pytest.fixture
def differences(adm, tmp_path):
    """Compare two sides; return what differs beside artifacts by kind and name, and the counts."""

    def run(*arguments):
        adm("compare", *arguments, "--out", tmp_path / "report.json")
        report = json.loads((tmp_path / "report.json").read_text())
        found = {(one["kind"], one["name"]): (one["a"], one["b"], one["moved"]) for one in report["differences"]}
        return found, report["numbers"]

    return run


@pytest.fixture
def refused(adm):
    """The one line that refuses to compare two sides."""

    def run(*sides):
        exit_code, out, err = adm("compare", *sides)
        assert (exit_code, out, err.count("\n")) == (2, "", 1)
        return err

    return run


def test_a_metric_differs_beyond_its_interval_alone(differences, adm, tmp_path):
    a = write_results(tmp_path / "a", {"a": score(fid=10.0), "b": score(fid=10.0)})
    b = write_results(tmp_path / "b", {"a": score(fid=11.5), "b": score(fid=12.0)})
    found, counts = differences(a, b)
    assert found == {
        ("metric", "b: fid"): (
            {"value": 10.0, "low": pytest.approx(9.05), "high": pytest.approx(10.95)},
            {"value": 12.0, "low": pytest.approx(11.05), "high": pytest.approx(12.95)},
            2.0,
        )
    }
    assert counts == {"numbers": 2, "beyond": 1, "within": 1, "without": 0, "alone": 0}
    exit_code, out, _ = adm("compare", a, b)
    assert exit_code == 1
    assert "10 [9.05, 10.95]" in out


def test_a_standard_error_makes_an_interval_and_what_has_neither_differs_as_it_changes(differences, tmp_path):
    def scored(kid, error, density):
        return {"a": score(fid=10.0, kid=kid, kid_standard_error=error, density=density)}

    base = write_results(tmp_path / "a", scored(5.0, 1.0, 0.5))
    near = write_results(tmp_path / "near", scored(8.0, 1.0, 0.5 + 1e-9))
    far = write_results(tmp_path / "far", scored(9.0, 1.0, 0.51))
    assert differences(base, near) == ({}, {"numbers": 3, "beyond": 0, "within": 1, "without": 0, "alone": 0})
    found, counts = differences(base, far)
    assert [name for _, name in found] == ["a: kid", "a: density"]
    assert counts == {"numbers": 3, "beyond": 1, "within": 0, "without": 1, "alone": 0}


def test_runs_of_curves_and_judges_are_compared_too(differences, tmp_path):
    params = PARAMS.replace("  b: {<<: *a", "  c: {<<: *a, curve: k}\n  b: {<<: *a")
    for name, fid in (("a", 1.0), ("b", 5.0)):
        folder = write_results(tmp_path / name, {}, params)
        (folder / "curves").mkdir()
        (folder / "curves" / "k.json").write_bytes(sealed_json({"runs": {"c": score(fid=fid)}}))
    assert differences(tmp_path / "a", tmp_path / "b")[0].keys() == {("metric", "c: fid")}


def test_params_and_runs_that_differ(differences, tmp_path):
    both = {"a": score(fid=1.0), "b": score(fid=1.0)}
    a = write_results(tmp_path / "a", both)
    # A default that is written down is no difference, and neither is where results lie.
    same = PARAMS.replace("results/tiny", "results/other").replace('steps: "3"', 'steps: "3", eta: 0.0')
    assert differences(a, write_results(tmp_path / "same", both, same))[0] == {}
    other = PARAMS.replace("learning_rate: 1.0e-3", "learning_rate: 2.0e-3").replace("  b: {", "  c: {<<: *a}\n  b: {")
    found, counts = differences(a, write_results(tmp_path / "b", {"a": score(fid=1.0), "c": score(fid=1.0)}, other))
    assert found.pop(("param", "runs.c"))[0] is None
    assert found == {
        ("param", "models.m.training.learning_rate"): (1e-3, 2e-3, None),
        ("param", "models.n.training.learning_rate"): (1e-3, 2e-3, None),
    }
    assert (counts["numbers"], counts["alone"]) == (1, 2)


def test_results_of_params_that_are_refused_today_are_compared_by_the_rest(adm, tmp_path):
    scores = {"a": score(fid=1.0)}
    a = write_results(tmp_path / "a", scores)
    b = write_results(tmp_path / "b", scores, PARAMS + "novel: {}\n")
    exit_code, out, err = adm("compare", a, b)
    assert (exit_code, err.count("\n")) == (0, 1)
    assert "novel" in err
    assert "1 numbers" in out


def test_verdicts_that_differ(differences, tmp_path):
    scores = {"a": score(fid=1.0)}
    a = write_results(tmp_path / "a", scores)
    moved = write_results(tmp_path / "moved", scores, claim=("holds", -2.5, -4, -1))
    assert differences(a, moved)[0] == {}
    other = write_results(tmp_path / "other", scores, claim=("undecided", -2, -5, 1))
    found = differences(a, other)[0]
    assert found == {("claim", "better"): ("holds: -2 [-3, -1]", "undecided: -2 [-5, 1]", None)}


def publish_results(results):
    """What is published of a results folder: its claims, and an archive of its scores and params."""
    out = publish.published(results)
    shutil.copytree(results / "claims", out / "claims")
    with tarfile.open(out / publish.ARCHIVE, "w:xz") as archive:
        for name in ("params.yaml", "metrics"):
            archive.add(results / name, name)
    return out


def test_what_is_published_is_compared_by_its_scores(differences, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = write_results(tmp_path / "results" / "more", {"a": score(fid=10.0)}, claim=("undecided", -2, -5, 1))
    out = publish_results(results)
    (tmp_path / "params.yaml").write_text(PARAMS.replace("results/tiny", "results/more"))
    assert differences(out)[0] == {}
    (results / "metrics" / "a.json").write_bytes(sealed_json(score(fid=12.0)))
    found, counts = differences(out)
    assert ("metric", "a: fid") in found
    assert (counts["numbers"], counts["beyond"]) == (1, 1)


SPOILED = [
    ("metrics/a.json", sealed_json(score(fid=1.0))[:-9]),
    ("metrics/a.json", sealed_json({"scores": {"fid": 1.0}})),
    ("metrics/a.json", sealed_json({**score(fid=1.0), "metrics": {"fid": "low"}})),
    ("claims/own.csv", b"name,says\nbetter,yes\n"),
    ("params.yaml", None),
]


@pytest.mark.parametrize(("name", "content"), SPOILED)
def test_folders_that_cannot_be_compared_are_refused_in_one_line(refused, tmp_path, name, content):
    a, b = (write_results(tmp_path / name, {"a": score(fid=1.0)}) for name in ("a", "b"))
    (b / name).unlink()
    if content is not None:
        (b / name).write_bytes(content)
    told = refused(a, b)
    assert str(b) in told
    assert name in told


def test_folders_without_results_are_refused_in_one_line(refused, tmp_path):
    a, b = (write_results(tmp_path / name, {"a": score(fid=1.0)}) for name in ("a", "b"))
    for path in (b / "metrics" / "a.json", b / "claims" / "own.csv"):
        path.unlink()
    assert "nothing to compare" in refused(a, b)
    assert f"{a / 'params.yaml'}: is no folder of results" in refused(a, a / "params.yaml")


@pytest.mark.parametrize("option", ["--rtol", "--atol"])
def test_a_negative_tolerance_is_refused(adm, results, option):
    exit_code, _, err = adm("compare", results, results, option, "-1")
    assert exit_code == 2
    assert option in err
