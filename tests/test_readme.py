"""The README points at what is there."""

import re


def test_every_file_that_it_points_at_exists(root):
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", (root / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (root / target).exists()] == []
