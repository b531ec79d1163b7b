"""Numbers on pages are those of published tables and claims; one that leads nowhere is told by page and line."""

from types import SimpleNamespace

import pages
import pytest
import references
from mkdocs.exceptions import PluginError

FILES = {
    "small/tables/mine.csv": (
        'Dataset,Model,Here,"FID, paper","FID, here","FID, here, ±",Recall,Share\n'
        'one,A,"m-9, 3 steps",7,12.3456,0.98765,"0.50 [0.40, 0.70]",0.545 ± 0.031\n'
        'one,B,"m-8, 3 steps",8,1234.5,0.1,"0.25 [0.20, 0.30]",\n'
        'two,B,"m-8, 3 steps",8,-0.002,0.1,,\n'
    ),
    "small/tables/mine.md": "Mine: all.\n\n| Run | FID |  Recall |\n|:----|----:|--------:|\n| a   | 1.0 |    0.50 |\n",
    "small/claims/own.csv": (
        "key,verdict,effect,estimate,risk\n"
        'gan,holds,"FID 2.026 against 4.952: -2.93",-2.92608,0.01\nopen,undecided,,,\nshut,undecided,,,\n'
    ),
    "small/spent.md": "| verb | processor minutes |\n|---|---:|\n| all | 61.4 |\n",
}


@pytest.fixture
def published(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(references, "PUBLISHED", tmp_path)
    references._text.cache_clear()
    yield tmp_path
    references._text.cache_clear()


@pytest.mark.parametrize(
    ("stale", "reference", "number"),
    [
        ("9.9", "small/mine: A; FID", "12.3"),
        ("9.99 ± 9.9", "small/mine: m-9; FID", "12.35 ± 1.0"),
        ("9.9", "small/mine: one; B; FID", "1,234.5"),
        ("0.90 ± 0.99", "small/mine: A; Recall", "0.50 ± 0.15"),
        ("99.9 ± 9 %", "small/mine: A; Share", "54.5 ± 3 %"),
        ("9.9", "small/claims/own: gan; effect 2", "5.0"),
        ("holds", "small/claims/own: open; verdict", "undecided"),
        ("9", "small/claims/own: count; undecided", "2"),
        ("9.9", "small/claims/own: sum; risk", "0.0"),
        ("9", "small/spent: all; processor minutes", "61"),
    ],
)
def test_a_number_is_the_published_one_as_precise_as_the_page_has_it(published, stale, reference, number):
    line = "So (it is {}<!-- {} -->) and on.\n"
    now = line.format(number, reference)
    assert references.filled(line.format(stale, reference), "page.md") == now
    assert references.filled(now, "page.md") == now
    assert references.without_comments(now).startswith(f'So (it is <span title="{reference}">{number}</span>)')


@pytest.mark.parametrize(
    "reference",
    [
        "small/none: A; FID",
        "small/mine: C; FID",
        "small/mine: B; FID",
        "small/mine: A; Here",
        "small/claims/own: gan; effect 4",
        "small/claims/own: gan; undecided",
        "small/mine",
    ],
)
def test_a_reference_that_leads_nowhere_is_told_by_page_and_line(published, reference):
    text = f"# Page\n\nOne.\nFID 2.0<!-- {reference} --> here.\n"
    with pytest.raises(ValueError, match=r"^page\.md:4: "):
        references.filled(text, "page.md")


def test_what_has_no_number_before_it_must_be_a_verdict(published):
    kept = "It holds <!-- small/claims/own: gan; holds --> here.\n"
    assert references.filled(kept, "page.md") == kept
    assert references.without_comments(kept) == "It holds  here.\n"
    with pytest.raises(ValueError, match=r"page\.md:1: "):
        references.filled("It is <!-- small/mine: A; FID --> here.\n", "page.md")
    with pytest.raises(ValueError, match=r"page\.md:1: "):
        references.filled("2 ± 1<!-- small/claims/own: gan; estimate -->", "page.md")


def test_an_excerpt_is_of_the_columns_that_it_names(published):
    text = "Text.\n\n<!-- excerpt of small/mine: Recall | Run -->\n\n| old |\n|---|\n\nMore.\n"
    made = references.filled(text, "page.md")
    assert made.splitlines()[4:] == ["|  Recall | Run |", "|--------:|:----|", "|    0.50 | a   |", "", "More."]
    assert references.filled(made, "page.md") == made
    with pytest.raises(ValueError, match=r"page\.md:3: .*sFID"):
        references.filled(text.replace("Recall", "sFID"), "page.md")


def test_pages_are_filled_in_and_a_stale_number_is_found(published, tmp_path, monkeypatch, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("None.\n")
    page = tmp_path / "docs" / "page.md"
    page.write_text("One.\n9.9<!-- small/mine: A; FID -->\n")
    monkeypatch.setattr(references, "ROOT", tmp_path)
    assert references.main(check=True) == 2
    assert capsys.readouterr().err.startswith("error: docs/page.md:2: ")
    assert "9.9" in page.read_text()
    assert references.main(check=False) == 0
    assert "12.3" in page.read_text()
    assert references.main(check=True) == 0


def test_building_the_documentation_stops_at_a_reference_that_leads_nowhere(published):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="findings.md"))
    with pytest.raises(PluginError, match=r"docs/findings\.md:1: "):
        pages.on_page_markdown("2.0<!-- small/mine: C; FID -->", page, None, None)
    assert ">12.3</span>" in pages.on_page_markdown("2.0<!-- small/mine: A; FID -->", page, None, None)


def test_every_number_that_the_pages_refer_to_is_as_published(capsys):
    assert references.main(check=True) == 0, capsys.readouterr().err
