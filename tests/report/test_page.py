"""The page of a scale: complete, honest about what is not there, self-contained, and usable by everyone."""

import csv
import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections import Counter
from html import escape
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
import yaml
from making import made_with, record, write_batch
from PIL import Image

from adm.artifacts.seal import read_sealed_json, write_sealed_csv, write_sealed_json
from adm.cli import carry_out
from adm.params import load
from adm.pipeline import Pipeline, pipeline_of
from adm.pipeline.report import content_of_page
from adm.report.metrics import read_metrics
from adm.report.page.document import document
from adm.report.page.pictures import picture
from adm.sampling.batch import read_batch

CAPTION = 'Runs with <b>bold</b> & "quoted" names.'

PARAMS = f"""
datasets: {{x: {{source: digits, image_size: 8, num_classes: 10}}}}
extractors: {{g: {{dataset: x, side: 16, iterations: 5, least_accuracy: 0.0}}}}
references: {{x: {{dataset: x, num_images: 50}}}}
models:
  m:
    kind: diffusion
    dataset: x
    checkpoints: [4, 9]
    network: {{image_size: 8, channels: 32, channel_multiplier: [1], depth: 1, attention_resolutions: [], heads: 1}}
    noise: {{timesteps: 20, schedule: cosine}}
    training: {{batch_size: 4, learning_rate: 1.0e-3, ema_rate: 0.9, seed: 1}}
runs:
  a: {{checkpoint: m, steps: "3", num_samples: 8, sweep: {{iteration: [4, 9]}}}}
tables:
  mine: {{rows: [a-4, a-9], metrics: [fid, precision], caption: '{CAPTION}'}}
figures:
  along: {{kind: curves, x: iterations, y: [fid], curves: {{FID: [a-4, a-9]}}, caption: '{CAPTION}'}}
  images: {{kind: random_grid, run: a-9, rows: 2, columns: 2, caption: Images.}}
claims:
  better: {{kind: lower, metric: fid, run: a-9, than: a-4, statement: Longer is better, source: nowhere}}
  worse: {{kind: higher, metric: fid, run: a-9, than: a-4, statement: Longer is worse, source: nowhere}}
"""


def write_inputs(pipeline, score):
    params = pipeline.params
    draws = np.random.default_rng(0)
    (pipeline.root / "metrics").mkdir(parents=True)
    for number, run in enumerate(params.runs):
        fid = 9.0 - number
        content = score(params, run, 0.5, ["fid"], fid=fid)
        content["jackknife"]["fid"]["values"] = list(fid + 0.1 * draws.normal(size=16))
        images = draws.integers(0, 256, (8, 8, 8, 3)).astype(np.uint8)
        write_batch(samples := pipeline.path("sample", run), "sample", params.runs[run], {}, images, np.arange(8))
        content["made_by"] = record(
            "evaluate",
            {"run": params.runs[run], "reference": params.all_references[params.scored[run].reference]},
            {"samples": samples},
        )
        write_sealed_json(pipeline.path("evaluate", run), content)
    (pipeline.root / "training").mkdir()
    for key in params.segments:
        rows = "step,seconds,images_per_second,loss,gradient_norm\n4,1.5,90.0,0.9,2.0\n9,3.0,91.0,0.5,1.0\n"
        write_sealed_csv(pipeline.jobs[f"train/{key}"].outputs["log"], rows, made_with(params, key))


@pytest.fixture(scope="module")
def made(score, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    file = folder / "params.yaml"
    content = yaml.safe_load(PARAMS) | {"paths": {"results": str(folder / "tiny")}}
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    pipeline = Pipeline(load(file))
    write_inputs(pipeline, score)
    for rule, keys in pipeline.exhibits.items():
        for key in keys:
            carry_out(file, rule, key)
    return folder


@pytest.fixture
def scale(made, tmp_path):
    """A copy of it, to be spoiled: the params file, which names the copy of the results."""
    shutil.copytree(made / "tiny", tmp_path / "tiny")
    text = (made / "params.yaml").read_text().replace(str(made), str(tmp_path))
    (tmp_path / "params.yaml").write_text(text)
    return tmp_path / "params.yaml"


def page_of(file, adm, *flags):
    code, _, err = adm("report", "--params", file, *flags)
    assert (code, err) == (0, "")
    return (file.parent / "tiny" / "report.html").read_text(encoding="utf-8")


VOID = {"meta", "link", "img", "br", "hr", "input"}


class Parsed(HTMLParser):
    """The elements of a page, with their attributes and texts; tags that do not match are an error."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        element = {"tag": tag, "text": "", "within": [one["tag"] for one in self.open], **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open[-1]["tag"] == tag, (tag, self.getpos())
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def of(self, *tags):
        return [element for element in self.elements if element["tag"] in tags]


@pytest.fixture(scope="module")
def parsed(made):
    content = content_of_page(pipeline_of(made / "params.yaml"), {})
    return Parsed(document(content))


def check_links(parsed):
    """Links and names lead to ids, of which each stands once; nothing leads outside."""
    ids = Counter(element["id"] for element in parsed.elements if "id" in element)
    assert max(ids.values()) == 1
    attributes = ("src", "href", "data", "action")
    places = {element[name] for element in parsed.elements for name in attributes if name in element}
    assert [place for place in places if not place.startswith(("#", "data:"))] == []
    named = [name for one in parsed.elements for name in one.get("aria-labelledby", "").split()]
    assert {*named, *(place.removeprefix("#") for place in places if place.startswith("#"))} <= ids.keys()
    return places


def test_every_link_leads_to_something_and_nothing_leads_outside(parsed):
    assert {"#table-mine", "#figure-along", "#figure-images", "#claims-own", "#training"} <= check_links(parsed)
    (style,) = parsed.of("style")
    assert "url(" not in style["text"]
    assert "@import" not in style["text"]


def test_what_a_reader_without_sight_needs_is_there(parsed):
    assert parsed.of("html")[0]["lang"] == "en"
    assert [cell for cell in parsed.of("th") if cell.get("scope") not in ("col", "colgroup", "row")] == []
    shown = [image for image in parsed.of("img") if "dialog" not in image["within"]]
    assert len(shown) == 3  # two figures, and the curves of the model
    assert [image for image in shown if not image["alt"].strip()] == []
    assert [one for one in parsed.of("button") if not (one["text"].strip() or one.get("aria-label"))] == []
    levels = [int(heading["tag"][1]) for heading in parsed.of("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_captions_are_text(parsed):
    assert f"{CAPTION} Scores are of 8 samples a run." in [caption["text"] for caption in parsed.of("caption")]
    bars = "Bars are 95 % intervals over draws of the samples."
    assert f"{CAPTION} {bars}" in [caption["text"] for caption in parsed.of("figcaption")]
    assert [one for one in parsed.of("b") if one["text"] == "bold"] == []


def test_the_summary_counts_verdicts_with_failures_first(made, parsed):
    with (made / "tiny" / "claims" / "own.csv").open(newline="") as file:
        verdicts = Counter(row["verdict"] for row in csv.DictReader(file))
    assert verdicts == {"holds": 1, "does not hold": 1}
    counts = [one["text"].split(maxsplit=1) for one in parsed.of("a") if one["href"].startswith("#verdict-")]
    assert {word: int(count) for count, word in counts} == verdicts
    assert counts[0][1] == "does not hold"
    rows = [one["text"] for one in parsed.of("td") if one.get("data-value") and one["text"] in verdicts]
    assert rows == ["does not hold", "holds"]


def test_what_is_seen_first_is_the_best_grid_a_curve_of_training_and_the_scores_of_the_grids_run(made, parsed):
    (first,) = [one for one in parsed.of("section") if one.get("id") == "first"]
    sections = [one.get("id") for one in parsed.of("section")]
    assert sections.index("first") < sections.index("summary")
    articles = [one["id"] for one in parsed.of("article")]
    assert articles[:2] == ["figure-images", "figure-along"]
    assert articles.count("figure-images") == 1
    pipeline = Pipeline(load(made / "params.yaml"))
    inputs = {"metrics": {"a-9": pipeline.path("evaluate", "a-9")}}
    row = read_metrics(pipeline.params, ["a-9"], ["fid", "precision", "recall"], inputs).loc["a-9"]
    for told in (
        f"{row['fid']:.2f} FID of a-9 95 %: {row['fid_low']:.2f} to {row['fid_high']:.2f}",
        f"{row['precision']:.2f} Precision of a-9",
        f"{row['recall']:.2f} Recall of a-9",
    ):
        assert told in " ".join(first["text"].split())


def test_of_several_grids_the_one_with_the_lowest_fid_is_seen_first_and_one_of_classes_before_others(made):
    text = (made / "params.yaml").read_text()
    assert "figures:\n" in text
    more = "  early: {kind: random_grid, run: a-4, rows: 1, columns: 1, caption: Early.}\n"
    other = made.parent / "other.yaml"
    for added, expected in (
        (more, "images"),
        (more.replace("random_grid", "class_grid").replace("rows: 1", "classes: [0]"), "early"),
    ):
        other.write_text(text.replace("figures:\n", "figures:\n" + added))
        pipeline = pipeline_of(other)
        for path in pipeline.jobs["figure/early"].outputs.values():
            shutil.copy(pipeline.jobs["figure/images"].outputs[path.suffix[1:]], path)
        parsed = Parsed(document(content_of_page(pipeline, {})))
        assert parsed.of("article")[0]["id"] == f"figure-{expected}"
        for path in pipeline.jobs["figure/early"].outputs.values():
            path.unlink()


@pytest.mark.parametrize("spoilt", ["precision", "all"])
def test_scores_that_are_not_there_are_left_out_of_what_is_seen_first(scale, spoilt):
    pipeline = pipeline_of(scale)
    path = pipeline.path("evaluate", "a-9")
    if spoilt == "all":
        path.write_text("{")
    else:
        content = read_sealed_json(path)
        write_sealed_json(path, {**content, "metrics": {**content["metrics"], spoilt: None}})
    first, _, _ = document(content_of_page(pipeline, {})).partition('id="summary"')
    _, _, first = first.partition('id="first"')
    assert "figure-images" in first
    assert "nan" not in first
    assert ("FID of a-9" in first) == (spoilt == "precision")
    assert "Precision of a-9" not in first


def test_what_is_missing_is_named_with_its_command(scale, adm):
    for path in (scale.parent / "tiny").rglob("mine.*"):
        path.unlink()
    (scale.parent / "tiny" / "training" / "m-4.csv").unlink()
    parsed = Parsed(page_of(scale, adm))
    (article,) = [one for one in parsed.of("article") if one["id"] == "table-mine"]
    assert "Missing" in article["text"]
    assert f"adm table mine --params {scale}" in article["text"]
    (summary,) = [one for one in parsed.of("section") if one.get("id") == "summary"]
    assert re.search(r"1 missing:\s+Mine\.", summary["text"])


def test_what_is_out_of_date_is_told_by_hand_alone(scale, adm):
    adm("resolve", "--params", scale)
    scale.write_text(scale.read_text().replace("Images.", "Other images."))
    assert "Out of date" not in page_of(scale, adm, "--up-to-date")
    parsed = Parsed(page_of(scale, adm))
    stale = [one["id"] for one in parsed.of("article") if "Out of date" in one["text"]]
    assert "figure-images" in stale


SPOILT = {
    "claims/own.csv": ",perhaps,",
    "tables/mine.html": "<table></table>",
    "training/m-4.csv": "step,loss\n1,2\n",
}
"""Files of another version: what they hold, or a verdict that there is none of."""


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_of_another_version_is_one_line_that_names_it(scale, adm, name):
    path = scale.parent / "tiny" / name
    path.write_text(path.read_text().replace(",holds,", SPOILT[name]) if "claims" in name else SPOILT[name])
    code, out, err = adm("report", "--params", scale, "--up-to-date")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {path}: ")
    assert not (scale.parent / "tiny" / "report.html").exists()


def test_a_picture_is_as_large_on_the_page_as_in_print(tmp_path):
    Image.new("RGB", (500, 300)).save(tmp_path / "image.png")
    found = picture({"png": tmp_path / "image.png"})
    assert (found.width, found.height) == (240, 144)


def test_whether_it_is_reproduced_is_said_first_where_something_is_published(made):
    pipeline, lines = pipeline_of(made / "params.yaml"), ("reproduced to the byte: 3 of 3 files", "more")
    for compared in ((), lines):
        parsed = Parsed(document(content_of_page(pipeline, {}, compared)))
        (first,) = [one for one in parsed.of("section") if one.get("id") == "first"]
        assert ("Reproduced to the byte" in first["text"]) == bool(compared)
    listed = [one["text"] for one in parsed.of("li") if "details" in one["within"]]
    assert listed[:2] == ["3 of 3 files", "more"]


def test_own_images_are_seen_beside_samples_with_when_to_stop_and_no_boxes_of_verdicts(tmp_path, made):
    """The params file of a project of one's own: a contact sheet beside it, held-out losses, and no claims."""
    content = yaml.safe_load((made / "params.yaml").read_text())
    del content["claims"]
    content["datasets"]["x"]["held_out"] = 0.2
    loss = {"checkpoint": "m", "part": "held_out", "num_images": 2, "sweep": {"iteration": [4, 9]}}
    content["likelihoods"] = {"l": loss}
    content["tables"]["mine"] |= {"metrics": ["fid", "kid_held_out", "copies"], "losses": ["l-4", "l-9"]}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    Image.new("RGB", (300, 200)).save(tmp_path / "images.png")
    pipeline = pipeline_of(file)
    page = content_of_page(pipeline, {})
    html = pipeline.jobs["table/mine"].outputs["html"]
    before = html.read_text()
    told = escape(CAPTION) + " Best by loss: 4 iterations (1.2). No memorising is found."
    html.write_text(before.replace(escape(CAPTION), told))
    try:
        parsed = Parsed(document(page))
    finally:
        html.write_text(before)
    assert [one for one in parsed.of("section") if one.get("id") == "summary"] == []
    articles = [one["id"] for one in parsed.of("article")]
    assert articles[:3] == ["figure-images", "sheet", "stop"]
    items = [one["text"] for one in parsed.of("li") if "article" in one["within"]]
    assert items[:2] == ["Best by loss: 4 iterations (1.2).", "No memorising is found."]


@pytest.fixture
def two(scale, adm, tmp_path):
    """Two results: one whole, and its copy with another verdict, score, batch of samples and table's name."""
    adm("resolve", "--params", scale)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "tiny", other)
    claims = other / "claims" / "own.csv"
    claims.write_text(claims.read_text().replace(",does not hold,", ",undecided,"))
    claims.with_suffix(".json").unlink()
    score = read_sealed_json(other / "metrics" / "a-4.json")
    write_sealed_json(other / "metrics" / "a-4.json", {**score, "metrics": {**score["metrics"], "fid": 7.25}})
    shutil.copy(other / "tables" / "mine.md", other / "tables" / "new.md")
    params = load(scale)
    images = np.full((8, 16, 16, 3), 200, np.uint8)
    shutil.rmtree(other / "samples" / "a-9")
    write_batch(other / "samples" / "a-9", "sample", params.runs["a-9"], {}, images, np.arange(8))
    return tmp_path / "tiny", other


def beside_of(two, adm, tmp_path):
    code, out, err = adm("report", *two, "--out", tmp_path / "beside.html")
    assert (code, out, err) == (0, f"{tmp_path / 'beside.html'}\n", "")
    return Parsed((tmp_path / "beside.html").read_text(encoding="utf-8"))


class TestBeside:
    def test_verdicts_that_differ_stand_first_and_scores_that_differ_beside_each_other(self, two, adm, tmp_path):
        parsed = beside_of(two, adm, tmp_path)
        rows = [one["text"] for one in parsed.of("tr") if "tbody" in one["within"]]
        assert rows[0].startswith("Longer is worse")
        assert "does not hold" in rows[0]
        assert "undecided" in rows[0]
        assert rows[1].startswith("Longer is better")
        (cell,) = [row for row in rows if "7.25" in row]
        check_links(parsed)
        alone = [" ".join(one["text"].split()) for one in parsed.of("details") if "alone" in one["text"]]
        assert alone == ["B alone, tables: 1 new"]
        assert re.fullmatch(r"a-4FID9 \[.*\]7\.25 \[.*\]", cell)

    def test_samples_of_one_seed_stand_in_one_column_whatever_their_sizes(self, two, adm, tmp_path):
        parsed = beside_of(two, adm, tmp_path)
        (drawn,) = [one["src"] for one in parsed.of("img") if one.get("alt", "").startswith("The first samples of a-9")]
        pixels = np.asarray(Image.open(BytesIO(b64decode(drawn.partition(",")[2]))).convert("RGB")).astype(int)
        images = read_batch(two[0] / "samples" / "a-9").images
        cell = 96  # sixteen pixels, six times as large each
        is_b = (pixels == 200).all(axis=2)
        # Not the shades of letters, which are of few pixels.
        tops, lefts = (np.flatnonzero(is_b.sum(axis=axis) >= cell) for axis in (1, 0))
        left, above = int(lefts[0]), int(tops[0]) - 16 - cell
        first = pixels[above : above + cell, left : left + cell]
        assert (first[6::12, 6::12] == images[0]).all()

    def test_results_beside_themselves_differ_in_nothing(self, two, adm, tmp_path):
        parsed = beside_of((two[0], two[0]), adm, tmp_path)
        counts = [" ".join(one["text"].split()) for one in parsed.of("li") if one.get("class") == "holds"]
        assert [count.split()[0] for count in counts] == ["0", "0"]

    @pytest.mark.parametrize("spoilt", ["", "figures/along.svg", "samples/a-9/samples.npz", "claims/own.csv"])
    def test_what_cannot_be_set_beside_is_one_line_and_writes_nothing(self, two, refused, tmp_path, spoilt):
        a, b = two
        if spoilt:
            (b / spoilt).write_text("key,verdict\nbetter,perhaps\n")
        else:
            shutil.rmtree(b)
        assert str(b / spoilt) in refused("report", a, b, "--out", tmp_path / "beside.html")
        assert not (tmp_path / "beside.html").exists()


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

BEFORE = """<head><script>
const found = { errors: [] };
const told = (event) => found.errors.push(`${event.type}: ${event.message ?? event.blockedURI ?? event.reason}`);
for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"]) addEventListener(kind, told, true);
console.error = console.warn = (...words) => found.errors.push(words.join(" "));
</script>"""

FIRST = """
const lines = () => [...document.querySelectorAll("#table-mine table tbody tr")];
const rows = () => lines().map((row) => row.cells[0].textContent);
const sorted = (heading) => heading.getAttribute("aria-sort");
const fid = document.querySelectorAll("#table-mine thead th")[2];
found.orders = [[sorted(fid), rows()]];
for (let time = 0; time < 3; time += 1) {
  fid.querySelector("button").click();
  found.orders.push([sorted(fid), rows()]);
}
const interval = document.querySelector("#table-mine .interval");
found.intervals = [getComputedStyle(interval).display];
document.getElementById("intervals").click();
found.intervals.push(getComputedStyle(interval).display);
"""

BOTH = """
const colour = () => getComputedStyle(document.body).backgroundColor;
const themes = document.getElementById("theme");
found.colours = [colour()];
for (let time = 0; time < 2; time += 1) {
  themes.click();
  found.colours.push(colour());
}
document.querySelector(".zoom").click();
found.enlarged = document.getElementById("enlarged").open;
found.images = [...document.images].filter((image) => image.src).map((image) => image.complete && image.naturalWidth);
found.width = [document.documentElement.scrollWidth, innerWidth];
const asked = performance.getEntriesByType("resource").map((one) => one.name);
found.requests = asked.filter((name) => !name.startsWith("data:"));
addEventListener("load", () => {
  const written = document.createElement("pre");
  written.id = "found";
  written.textContent = JSON.stringify(found);
  document.body.append(written);
});
"""

SECOND = """
const scores = document.querySelector("#verdicts table");
const claims = () => [...scores.tBodies[0].rows].map((row) => row.cells[0].textContent);
found.orders = [claims()];
scores.querySelector("th button").click();
found.orders.push(claims());
const folded = [...document.querySelectorAll("details")];
found.folded = folded.map((one) => one.open);
for (const one of folded) one.querySelector("summary").click();
found.folded.push(...folded.map((one) => one.open));
"""


def in_browser(text, file, *scripts):
    after = f"<script>{''.join(scripts)}</script></body>"
    file.write_text(str(text).replace("<head>", BEFORE, 1).replace("</body>", after, 1), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,900"]
    options.append(f"--user-data-dir={file.with_name('user')}")
    command = [CHROMIUM, *options, "--dump-dom", file.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    (told,) = [one["text"] for one in Parsed(dumped).of("pre") if one.get("id") == "found"]
    found = json.loads(told)
    assert (found["errors"], found["requests"]) == ([], [])
    assert all(found["images"])
    light, dark, again = found["colours"]
    assert light == again != dark
    assert found["enlarged"] is True
    assert found["width"][0] <= found["width"][1]
    return found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
def test_in_a_browser_as_wide_as_a_phone_headings_sort_themes_change_and_figures_grow(made):
    content = content_of_page(pipeline_of(made / "params.yaml"), {})
    found = in_browser(document(content), made / "page.html", FIRST, BOTH)
    assert len(found["images"]) == 4  # the enlarged one, too
    assert found["orders"] == [
        [None, ["a-4", "a-9"]],
        ["ascending", ["a-9", "a-4"]],
        ["descending", ["a-4", "a-9"]],
        [None, ["a-4", "a-9"]],
    ]
    assert found["intervals"] == ["none", "block"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
def test_in_a_browser_two_results_sort_fold_and_change_theme(two, adm, tmp_path):
    beside_of(two, adm, tmp_path)
    page = tmp_path / "beside.html"
    found = in_browser(page.read_text(encoding="utf-8"), page, BOTH, SECOND)
    assert sorted(found["orders"][0]) == found["orders"][1]
    before, after = np.split(np.array(found["folded"]), 2)
    assert len(before) > 0
    assert (before != after).all()
