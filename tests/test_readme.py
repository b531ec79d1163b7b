"""What the README and the pages point at is there, and the commands that they type are commands."""

import re
import shlex

import pytest
import typer

from adm.cli import app

PAGES = ("*.md", "docs/*.md")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
FROM_ELSEWHERE = ("pets", "mine")
"""Scales that readers make."""


@pytest.fixture(scope="module")
def lines(root):
    """Every line of the shell that a page shows, with the page; lines that go on are joined."""
    texts = {path: path.read_text() for pattern in PAGES for path in sorted(root.glob(pattern))}
    blocks = [(path.name, block) for path, text in texts.items() for block in BLOCK.findall(text)]
    return [(page, line) for page, block in blocks for line in block.replace("\\\n", " ").splitlines()]


@pytest.fixture(scope="module")
def verbs():
    group = typer.main.get_command(app)
    return {name: {option for field in verb.params for option in field.opts} for name, verb in group.commands.items()}


@pytest.mark.parametrize("pattern", PAGES)
def test_every_file_that_they_point_at_exists(root, pattern):
    for page in root.glob(pattern):
        targets = re.findall(r"\]\((?!http)([^)#\s]+)", page.read_text())
        assert [target for target in targets if not (page.parent / target).exists()] == [], page


def test_every_verb_and_option_that_they_type_exists(lines, verbs):
    typed = [(page, shlex.split(line, comments=True)) for page, line in lines if line.startswith("adm ")]
    assert len(typed) > 10
    for page, words in typed:
        assert words[1] in verbs, (page, words)
        flags = {word.partition("=")[0] for word in words[2:] if re.match(r"-[a-z-]", word)}
        assert flags <= verbs[words[1]], (page, words)


def test_every_target_of_make_that_they_type_exists(root, lines):
    rules = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    typed = [found[1] for _, line in lines if (found := re.match(r"make ([a-z-]+)", line))]
    assert typed
    assert set(typed) <= set(rules)


def test_every_scale_that_they_name_exists(root, lines):
    scales = {name for _, line in lines for name in re.findall(r"scales/([a-z]+)/", line)}
    assert scales
    assert [name for name in scales - {*FROM_ELSEWHERE} if not (root / "scales" / name).is_dir()] == []
