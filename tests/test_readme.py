"""The README shows what the repository holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_is_the_committed_one():
    table = (ROOT / "results" / "embedded" / "tables" / "table_8.md").read_text()
    assert table.strip() in README


def test_every_file_that_it_points_at_exists():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_make_target_that_it_names_exists():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z]+)`", README)) | set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE))
    assert named >= {"test", "adopt", "bench", "lock"}
    assert [target for target in named if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)] == []
