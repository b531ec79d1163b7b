"""`fetch NAME`: a well-known file, without a params file."""

from pathlib import Path

from adm.artifacts.download import download
from adm.metrics.inception import INCEPTION
from adm.params.errors import UserError
from adm.params.keys import accepted

KNOWN = {"inception": INCEPTION}
"""What can be asked for by name."""


def run(name: str, out: Path | None) -> None:
    """Download a file; one that is there already, with the right checksum, is not asked for again.

    Args:
        name: One of KNOWN.
        out: What to write; the file's own name in the working folder if None.

    Raises:
        UserError: There is no such name, the file cannot be had, or it is not the one that was published.
    """
    if name not in KNOWN:
        raise UserError(f"{name!r}: is no file that is known by name; {accepted(KNOWN, name)}")
    file = KNOWN[name]
    path = out or Path(file.filename)
    if path.is_dir():
        path = path / file.filename
    download(file.url, path, file.size, file.sha256, file.md5)
    print(path)
