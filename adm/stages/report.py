"""`report`: all results of a scale on one page."""

from pathlib import Path

from adm.artifacts.writing import new_file
from adm.report.page.content import Content
from adm.report.page.document import document


def run(content: Content, out: Path) -> None:
    """Write the page as `<out>.html`: one file that asks no host for anything, of the same bytes for the same content.

    Args:
        content: What the page shows; what is missing or out of date is told in it.
        out: The path without its ending.

    Raises:
        UserError: Nothing that it shows exists, or a file is not as this version writes it.
    """
    text = document(content)
    with new_file(out.with_suffix(".html")) as path:
        path.write_text(text, encoding="utf-8")
