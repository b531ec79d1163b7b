"""`report`: all results of a scale on one page."""

import hashlib
from pathlib import Path

from adm.artifacts.manifest import MadeBy
from adm.report.page.content import Content
from adm.report.page.document import document
from adm.report.shown import write_shown


def run(content: Content, out: Path, made_by: MadeBy) -> None:
    """Write the page as `<out>.html`: one file that asks no host for anything, of the same bytes for the same content.

    Args:
        content: What the page shows; what is missing or out of date is told in it.
        out: The path without its ending.
        made_by: What `<out>.json`, its record, tells.

    Raises:
        UserError: Nothing that it shows exists, or a file is not as this version writes it.
    """
    shown = hashlib.sha256(content.written.encode()).hexdigest()  # whatever `adm resolve` wrote last
    made_by = {**made_by, "inputs": {**made_by["inputs"], "params": shown}}
    write_shown(out, {".html": document(content)}, made_by)
