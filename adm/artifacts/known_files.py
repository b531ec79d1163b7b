"""Published files that are known by name, in a folder of the user's that keeps them."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from adm.artifacts.download import download
from adm.config.released import CHECKPOINTS, KNOWN, REFERENCES, SAMPLES, about
from adm.errors import UserError, accepted

FOLDER = "ADM_FILES"
"""Environment variable: the folder that keeps published files."""


def known_folder() -> Path:
    """The folder that keeps published files: that of the environment variable, else one in the user's cache."""
    given = os.environ.get(FOLDER)
    return Path(given) if given else user_cache_path("adm") / "files"


def is_known(name: str) -> bool:
    """Whether a file is known by this name, or by its own."""
    return _named(name) is not None


def known_path(name: str, to: Path | None = None) -> Path:
    """Where a known file lies, or would lie.

    Args:
        name: A key of KNOWN, or the name of a file in it.
        to: Its folder, or the file itself if that has the same ending; None means `known_folder()`.

    Raises:
        UserError: There is no such name.
    """
    key = _named(name)
    if key is None:
        raise UserError(f"{name!r}: is no file that is known by name; {accepted(KNOWN, name)}; `adm fetch` lists them")
    filename = KNOWN[key].filename
    if to is None:
        return known_folder() / filename
    return to if to.suffix == Path(filename).suffix and not to.is_dir() else to / filename


def fetch_known(name: str, to: Path | None = None) -> Path:
    """Download a known file, unless it is there; a download that was cut goes on.

    A file of which a checksum is known is checked whenever it is asked for. Any other appears under its name only when
    all its bytes have come, and is then taken as it is.

    Args:
        name: As for `known_path`.
        to: As for `known_path`.

    Returns:
        The file.

    Raises:
        UserError: There is no such name, the file cannot be downloaded, or it differs from the published one.
    """
    path = known_path(name, to)
    file = KNOWN[str(_named(name))]
    if file.sha256 or file.md5 or not path.is_file():
        download(file.url, path, file.size, file.sha256, file.md5)
    return path


def placed(path: Path) -> Path:
    """A path as it is, or where there is nothing, but a file is known by that name, the known file, fetched if need be.

    Raises:
        UserError: As `fetch_known`, or there is nothing, and the path looks like a name that no file is known by.
    """
    if path.exists():
        return path
    if is_known(str(path)):
        return fetch_known(str(path))
    if path.name == str(path) and not path.suffix:
        raise UserError(
            f"{path}: does not exist, and no file is known by this name; {accepted(KNOWN, str(path))}; "
            "`adm fetch` lists them"
        )
    return path


def listing(to: Path | None = None) -> list[str]:
    """Lines that tell every known file's name, size and place, and which are there already."""
    lines: list[str] = []
    kinds = {"Checkpoints": [*CHECKPOINTS], "References": [*REFERENCES], "Samples": [*SAMPLES], "Graphs": ["inception"]}
    for kind, names in kinds.items():
        lines += ["", f"{kind}:"] if lines else [f"{kind}:"]
        for name in names:
            path, file = known_path(name, to), KNOWN[name]
            size = f"{'' if file.size else 'about '}{about(name) / 1e9:.2f} GB"
            lines.append(f"  {name:<40} {size:>13}  {path if path.is_file() else file.url}")
    return lines


def _named(name: str) -> str | None:
    if name in KNOWN:
        return name
    return next((key for key, file in KNOWN.items() if file.filename == name), None)
