"""The verb `plan`, and the tables that docs/scale.md shows."""

import re

import pytest

from adm.planning.schedule import Task, schedule
from adm.planning.schedule_figure import Curve, Strip, schedule_figure
from adm.report.figures import write_figure

SCALES = ("paper", "released")
# One worker counts the operations of the scales' networks for all tests that plan them.
pytestmark = pytest.mark.xdist_group("planning")

COLORS = {"other": "#FF0000", "training": "#00FF00", "sampling": "#0000FF"}
TABLES = ("chains", "limits", "machines", "storage", "time", "transfers")


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_the_committed_tables_are_what_the_verb_gives(adm, root, tmp_path, monkeypatch, scale):
    monkeypatch.chdir(root)
    code, _, errors = adm("plan", "--params", f"scales/{scale}/params.yaml", "--out", tmp_path)
    assert code == 0, errors
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"{table}.{ending}" for table in TABLES for ending in ("csv", "md", "tex")} | {
        "schedule.png",
        "schedule.pdf",
    }
    kept = root / "docs" / "scale" / scale
    assert written == {path.name for path in kept.iterdir()}
    for name in sorted(written):
        if not name.startswith("schedule"):
            assert (tmp_path / name).read_text() == (kept / name).read_text(), f"adm plan … --out {kept}, again"


def test_a_file_based_on_another_is_planned_wherever_it_lies(adm, root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    other = tmp_path / "what-if.yaml"
    other.write_text(f"base: {root / 'scales' / 'released' / 'params.yaml'}\n")
    code, _, errors = adm("plan", "--params", other, "--out", tmp_path / "plan")
    assert code == 0, errors
    kept = root / "docs" / "scale" / "released" / "time.csv"
    assert (tmp_path / "plan" / "time.csv").read_text() == kept.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan", "what-if.yaml"]


def test_the_page_shows_the_committed_tables(root):
    page = (root / "docs" / "scale.md").read_text()
    for table in TABLES:
        text = (root / "docs" / "scale" / "paper" / f"{table}.md").read_text()
        assert text.partition("\n\n")[2].strip() in page, table
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", page)
    assert [target for target in targets if not (root / "docs" / target).exists()] == []


def test_the_same_schedule_is_drawn_to_the_same_bytes(tmp_path):
    tasks = {"a": Task(86_400.0, 2, (), "training"), "b": Task(43_200.0, 1, ("a",), "sampling"), "c": Task(9.0, 0)}
    curves = [Curve("all", (2, 4), (1.5, 1.5), (1.5, 1.5))]
    for name in ("one", "other"):
        write_figure(tmp_path / name, schedule_figure(curves, [Strip("two", tasks, schedule(tasks, 2))], COLORS))
    for ending in ("png", "pdf"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"other.{ending}").read_bytes()


def test_strips_show_who_holds_a_gpu(tmp_path):
    tasks = {"a": Task(86_400.0, 2, (), "training"), "b": Task(86_400.0, 1, ("a",), "sampling"), "c": Task(9.0, 0)}
    figure = schedule_figure([Curve("all", (2,), (2.0,), (2.0,))], [Strip("two", tasks, schedule(tasks, 2))], COLORS)
    (image,) = (image for axes in figure.axes for image in axes.images)
    found = image.get_array()
    half = found.shape[1] // 2
    # Groups are counted in the order of their colours, those that hold nothing left out; 0 is idle.
    assert (found[:, :half] == 1).all()
    assert (found[0, half:] == 2).all()
    assert (found[1, half:] == 0).all()
