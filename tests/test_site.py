"""The parts of the site that are written at build, without a word left out."""

import json
import re
from types import SimpleNamespace

import pages
import pytest
import typer

from adm.cli import app
from adm.pipeline import kinds


@pytest.fixture(scope="module")
def write():
    return lambda part: "\n".join(pages.PARTS[part]())


def test_every_verb_has_its_help(write):
    group, text = typer.main.get_command(app), write("verbs")
    shown = group.commands
    assert [name for name in shown if f"\n## {name}\n" not in text] == []
    fields = [field for verb in shown.values() for field in verb.params if not getattr(field, "hidden", False)]
    options = {option for field in fields for option in field.opts if option[0] == "-"}
    assert [option for option in options if option not in text] == []


def test_every_job_has_its_files(write):
    rows = write("artifacts").splitlines()[2:]
    assert len(rows) == len(kinds())
    for row, rule in zip(rows, kinds().values(), strict=True):
        assert [path for path in rule.outputs.values() if f"`{path}`" not in row] == []


def test_every_section_and_field_of_params_stands_once(root, write):
    schema, text = json.loads((root / "params.schema.json").read_text()), write("params")
    assert [name for name in schema["properties"] if text.count(f"\n## {name}\n") != 1] == []
    assert [name for name in schema["definitions"] if text.count(f"\n### {name}\n") != 1] == []
    fields = sum(len(section.get("properties", {})) for section in schema["definitions"].values())
    assert sum(line.startswith("| `") for line in text.splitlines()) == fields


def test_every_published_picture_is_in_the_gallery_with_its_command_those_in_colour_first(root, write):
    text, folder = write("gallery"), root / "results" / "published"
    pictures = [path for scale in pages.SHOWN for path in sorted((folder / scale / "figures").glob("*.png"))]
    assert {path.parts[-3] for path in pictures} == {path.name for path in folder.iterdir()}
    assert [path for path in pictures if f"](../{path.relative_to(root).as_posix()})" not in text] == []
    assert text.count("<code>adm figure ") == len(pictures)
    sections = [section for section in text.split("\n## ") if "emoji/figures" in section]
    assert all(re.search(r"published/(\w+)/", section)[1] == "emoji" for section in sections)


def test_formulas_become_mathml_and_code_stays():
    text = "where $x_t$ and $$\\frac{a}{b}$$, but `$x_t$` and\n\n```sh\necho $HOME $PWD\n```\n"
    made = pages.on_page_markdown(text, SimpleNamespace(file=SimpleNamespace(src_uri="findings.md")), None, None)
    assert made.count("<math") == 2
    assert "`$x_t$`" in made
    assert "echo $HOME $PWD" in made
