"""The files that a page is made of, beside code."""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).with_name("templates")
"""The folder of the template, its style sheet and its script."""

TEMPLATE = "page.html.j2"
"""The template; it takes in the other files."""


def digest_of_parts() -> str:
    """A hash of the files: the code's digest does not cover them."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
