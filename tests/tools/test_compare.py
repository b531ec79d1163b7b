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
from safetensors.numpy import save_file

from adm.artifacts.comparison import CHUNK, Tolerance, compare_files
from adm.tools import publish

PIXELS = np.random.default_rng(0).integers(0, 255, (5, 4, 4, 3)).astype(np.uint8)
WEIGHTS = {"a.weight": np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32), "b": np.array([np.nan, 1, 2])}
BATCH = {"arr_0": PIXELS, "arr_1": np.arange(5)}
SCORE = {"metrics": {"fid": 3.25}, "jackknife": {"fid": {"values": [3.0, 3.5], "pairs": []}}, "num_samples": 5}
SCORE |= {"made_by": {"code": "0", "facts": {"accuracy": 0.9}}}
TABLE = 'Run,"FID, here"\nrun,3.25\nother,nan\n'


def save_arrays(path, arrays):
    """Write arrays as the ending of a path says, the one of an npy under no name."""
    if path.suffix == ".npy":
        np.save(path, arrays[""])
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)


@pytest.fixture
def found(tmp_path):
    """Compare two files of an ending, each of bytes, arrays or pixels: the kind and the words."""

    def compare(ending, *contents, **tolerance):
        paths = [tmp_path / f"{side}{ending}" for side in "ab"]
        for path, content in zip(paths, contents, strict=True):
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, dict):
                save_arrays(path, content)
            else:
                Image.fromarray(content).save(path)
        one = compare_files(*paths, Tolerance(**tolerance))
        return one.kind, one.words

    return compare


def scaled(factor):
    return {"a.weight": WEIGHTS["a.weight"] * np.float32(factor)}


ARRAYS = {
    "floats within": (WEIGHTS, scaled(1 + 1e-6), "close", "a.weight["),
    "floats beyond": (WEIGHTS, scaled(1 + 1e-3), "different", "a.weight["),
    "NaN on one side": (WEIGHTS, {"b": np.array([0.0, 1, 2])}, "different", "b[0]: nan, there 0.0"),
    "another dtype": (WEIGHTS, {"b": np.float32(WEIGHTS["b"])}, "different", "b: "),
    "another shape": (WEIGHTS, {"a.weight": WEIGHTS["a.weight"].T.copy()}, "different", "a.weight: "),
    "an array more": (BATCH, {"arr_2": PIXELS}, "different", "arr_2: is missing here"),
    "another order of axes": (BATCH, {"arr_0": np.asfortranarray(PIXELS)}, "close", "the same content"),
    "the largest of two": (BATCH, {"arr_1": np.array([0, 1, 90, 3, 5])}, "different", "arr_1[2]: 2, there 90"),
    "pixels one apart": ({"": PIXELS}, {"": PIXELS + np.uint8(1)}, "different", "[0, 0, 0, 0]: "),
}
"""What a file holds, what of it is another in the other file, the kind, and how the words begin."""


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(found, case):
    arrays, others, *expected = ARRAYS[case]
    ending = {"": ".npy", "arr_0": ".npz", "a.weight": ".safetensors"}[next(iter(arrays))]
    check_told(found(ending, arrays, arrays | others), *expected)


def check_told(told, kind, words):
    assert told[0] == kind
    assert told[1].startswith(words)


def test_the_same_numbers_in_other_bytes_are_close(found, tmp_path):
    np.savez_compressed(tmp_path / "c.npz", **BATCH)
    assert found(".npz", BATCH, (tmp_path / "c.npz").read_bytes())[0] == "close"


def test_of_whole_numbers_atol_alone_is_tolerated(found):
    numbers = ".npy", {"": PIXELS}, {"": PIXELS + np.uint8(1)}
    assert found(*numbers, rtol=10, atol=0)[0] == "different"
    assert found(*numbers, rtol=0, atol=1)[0] == "close"


JSON = {
    "a metric within": ({"metrics": {"fid": 3.2500001}}, "close", "metrics.fid: 3.25, there 3.2500001"),
    "a metric": ({"metrics": {"fid": 3.3}}, "different", "metrics.fid: 3.25, there 3.3"),
    "a part": ({"jackknife": {"fid": {"values": [3.0, 4.0], "pairs": []}}}, "different", "jackknife.fid.values[1]"),
    "a metric more": ({"metrics": {"fid": 3.25, "sfid": 1.0}}, "different", "metrics.sfid"),
    "a truth for a number": ({"num_samples": True}, "different", "num_samples"),
    "facts": ({"made_by": {"facts": {"accuracy": 0.5}}}, "different", "facts.accuracy: 0.9, there 0.5"),
    "how it was made": ({"made_by": SCORE["made_by"] | {"code": "1"}}, "remade", ""),
    "how a part was made": ({"metrics": {"fid": 3.25, "made_by": {"code": "1"}}}, "remade", ""),
}


@pytest.mark.parametrize("case", JSON)
def test_numbers_of_json(found, case):
    changes, *expected = JSON[case]
    check_told(found(".json", sealed_json(SCORE), sealed_json({**SCORE, **changes})), *expected)


CSV = {
    "within": ("3.25", "3.250000001", "close", "row 1, FID, here: 3.25, there 3.250000001"),
    "beyond": ("3.25", "3.5", "different", "row 1, FID, here: 3.25, there 3.5"),
    "another column": ("FID", "KID", "different", "its columns: "),
    "a row less": ("other,nan\n", "", "different", "row 2"),
    "NaN": ("3.25", "nan", "different", "row 1, FID, here: "),
}


@pytest.mark.parametrize("case", CSV)
def test_cells_of_csv(found, case):
    old, new, *expected = CSV[case]
    check_told(found(".csv", TABLE.encode(), TABLE.replace(old, new).encode()), *expected)


def test_images_are_compared_by_pixels(found, tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "other.png", compress_level=0)
    assert found(".png", PIXELS[0], (tmp_path / "other.png").read_bytes())[0] == "close"
    other = PIXELS[0].copy()
    other[2, 1, 0] += 3
    kind, words = found(".png", PIXELS[0], other)
    assert (kind, words.startswith("pixel [2, 1, 0]: ")) == ("different", True)
    assert found(".png", PIXELS[0], other, rtol=0, atol=3)[0] == "close"


DAMAGED = {".npy": {"": PIXELS}, ".npz": BATCH, ".safetensors": WEIGHTS, ".png": PIXELS[0], ".json": sealed_json(SCORE)}


@pytest.mark.parametrize("ending", DAMAGED)
def test_a_damaged_file_is_a_difference_that_names_it(found, tmp_path, ending):
    found(ending, DAMAGED[ending], DAMAGED[ending])
    kind, words = found(ending, DAMAGED[ending], (tmp_path / f"a{ending}").read_bytes()[:60])
    assert (kind, str(tmp_path / f"b{ending}") in words) == ("different", True)


def test_what_is_no_text_and_what_is_pickled_is_a_difference_in_one_line(found):
    assert ": is no readable text" in found(".csv", TABLE.encode(), b"\xff\xfe\n")[1]
    pickled = {"arr_0": np.array([object], dtype=object)}
    assert "pickled Python objects, which are never loaded" in found(".npz", BATCH, pickled)[1]


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f8", "c8", "?"])
def test_every_dtype_against_numpy(found, dtype):
    a = np.random.default_rng(1).integers(0, 2, (7, 11)).astype(dtype)
    b = a.copy()
    b[3, 4] = not a[3, 4]
    assert found(".npy", {"": a}, {"": b}) == ("different", f"[3, 4]: {a[3, 4]}, there {b[3, 4]}")


def test_whole_numbers_that_float64_cannot_tell_apart(found):
    kind, words = found(".npy", {"": np.array([2**62, 0])}, {"": np.array([2**62 + 1, 0])})
    assert (kind, words.startswith("[0]: ")) == ("different", True)


@pytest.mark.parametrize("place", [0, CHUNK - 1, CHUNK, 2 * CHUNK + 5])
def test_places_of_arrays_longer_than_what_is_compared_at_a_time(found, place):
    a = np.zeros((3, CHUNK), np.float32)
    b = a.copy()
    index = np.unravel_index(place, a.shape)
    b[index] = 1
    b[1, 1] = 1e-9
    kind, words = found(".npy", {"": a}, {"": b})
    assert (kind, words) == ("different", f"[{index[0]}, {index[1]}]: 0.0, there 1.0")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,)])
def test_small_and_empty_arrays(found, shape):
    a, b = (np.full(shape, float(value)) for value in (1, 2))
    assert found(".npy", {"": a}, {"": b})[0] == ("equal" if 0 in shape else "different")


@pytest.mark.parametrize("apart", [0.5, 2.0])
def test_closeness_is_numpys(found, apart):
    draws = np.random.default_rng(2)
    a = draws.normal(size=1000) * 10.0 ** draws.integers(-9, 9, 1000)
    b = a + apart * (1e-8 + 1e-5 * np.abs(a)) * draws.uniform(0.9, 1.0, 1000)
    is_close = found(".npy", {"": a}, {"": b})[0] == "close"
    assert is_close == np.isclose(a, b, rtol=1e-5, atol=1e-8).all() == (apart < 1)


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
def test_numbers_within_texts(found, text):
    other, is_close = TEXTS[text]
    kind, words = found(".tex", text.encode(), other.encode())
    assert kind == ("different" if is_close is False else "close")
    assert ("stored in other bytes" in words) == (is_close is None)


SPREAD = np.array([-1, 1]) * 0.95 / 12.7062047
"""Two values around their mean: the 95 % interval is of 0.95 to either side."""

CLAIMS = "key,statement,source,verdict,effect,estimate,low,high,measure,note\nbetter,x,y,{},z,{},{},{},FID,\n"


def score(**metrics):
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


FILES = {
    "data/digits/images.npy": {"": PIXELS},
    "samples/run/samples.npz": BATCH,
    "throughput/t.json": sealed_json({"peak_flops": 9.5, "images_per_second": [7.5, 8.5]}),
    "training/m-9.csv": b"step,seconds,loss\n5,1.25,0.5\n9,2.5,0.25\n",
    "tables/table_7.csv": b'Model,"Images/s, here"\n64,8.5\n',
    "tables/table_8.csv": TABLE.encode(),
    "tables/table_8.md": b"| run | 3.25 |\n",
    "figures/figure_5_seconds.png": PIXELS[0],
    "figures/figure_6.png": PIXELS[1],
    "figures/figure_6.pdf": b"%PDF",
    **dict.fromkeys(("logs/m-9.txt", "work/m-9/state.bin", "data/.digits.part"), b"no result"),
}


@pytest.fixture
def pair(tmp_path):
    """Two results folders that are the same; the second is for changing."""
    a = write_results(tmp_path / "one", {"run": SCORE})
    for name, content in FILES.items():
        (a / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            (a / name).write_bytes(content)
        elif isinstance(content, dict):
            save_arrays(a / name, content)
        else:
            Image.fromarray(content).save(a / name)
    return SimpleNamespace(a=a, b=shutil.copytree(a, tmp_path / "two"))


@pytest.fixture
def compared(adm, pair, tmp_path):
    """Compare the pair: the exit code, and by its path the kind of each file that is not equal."""

    def run(*options):
        exit_code, out, err = adm("compare", pair.a, pair.b, "--out", tmp_path / "report.json", *options)
        assert err == ""
        files = json.loads((tmp_path / "report.json").read_text())["files"]
        kinds = {path: one["kind"] for path, one in files.items() if path != "counts" and one["kind"] != "equal"}
        assert all(any(path in line for line in out.splitlines()) for path in kinds)
        return exit_code, kinds

    return run


def test_what_is_no_result_or_shows_another_file_is_left_out(pair, compared):
    assert compared() == (0, {})
    for name in ("work", "logs"):
        shutil.rmtree(pair.b / name)
    (pair.b / "data" / ".digits.part").write_text("more")
    (pair.b / "tables" / "table_8.md").write_text("| run | 3.26 |\n")
    (pair.b / "figures" / "figure_6.pdf").write_bytes(b"%PDF other")
    assert compared() == (0, {})


def test_what_is_on_one_side_only(pair, compared):
    shutil.rmtree(pair.b / "samples")
    (pair.a / "throughput" / "t.json").unlink()
    assert compared() == (1, {"throughput/t.json": "only in B", "samples/run/samples.npz": "only in A"})


def test_what_is_measured_in_seconds_may_differ(pair, compared):
    (pair.b / "training" / "m-9.csv").write_bytes(b"step,seconds,loss\n5,1.25,0.5\n9,99,0.25\n")
    (pair.b / "throughput" / "t.json").write_bytes(sealed_json({"peak_flops": 1.5, "images_per_second": [1.5, 8.5]}))
    (pair.b / "tables" / "table_7.csv").write_bytes(b'Model,"Images/s, here"\n64,1.5\n')
    Image.fromarray(PIXELS[2]).save(pair.b / "figures" / "figure_5_seconds.png")
    exit_code, kinds = compared()
    assert (exit_code, len(kinds), {*kinds.values()}) == (0, 4, {"measured"})


def test_tolerances_are_options(pair, compared):
    (pair.b / "tables" / "table_8.csv").write_text(TABLE.replace("3.25", "3.251"))
    assert compared() == (1, {"tables/table_8.csv": "different"})
    for options in (["--rtol", "1e-2"], ["--atol", "1e-2", "--rtol", 0]):
        assert compared(*options) == (0, {"tables/table_8.csv": "close"})


@pytest.fixture
def differences(adm, tmp_path):
    """Compare two sides; return what differs beside artifacts by kind and name, and the counts."""

    def run(*arguments):
        adm("compare", *arguments, "--out", tmp_path / "report.json")
        report = json.loads((tmp_path / "report.json").read_text())
        found = {(one["kind"], one["name"]): (one["a"], one["b"], one["moved"]) for one in report["differences"]}
        return found, report["numbers"]

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
    told = refused("compare", a, b)
    assert str(b) in told
    assert name in told


def test_folders_without_results_are_refused_in_one_line(refused, tmp_path):
    a, b = (write_results(tmp_path / name, {"a": score(fid=1.0)}) for name in ("a", "b"))
    for path in (b / "metrics" / "a.json", b / "claims" / "own.csv"):
        path.unlink()
    assert "nothing to compare" in refused("compare", a, b)
    assert f"{a / 'params.yaml'}: is no folder of results" in refused("compare", a, a / "params.yaml")
