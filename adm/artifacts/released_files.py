"""Released files, fetched by name into a folder of the user's that keeps them."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from adm.artifacts.download import download
from adm.config.released import CHECKPOINTS, REFERENCES, RELEASED, SAMPLES, about
from adm.errors import UserError, accepted

FOLDER = "ADM_FILES"
"""Environment variable: the folder that keeps released files."""


def released_folder() -> Path:
    """Find the folder that keeps released files: that of the environment variable, else one in the user's cache."""
    given = os.environ.get(FOLDER)
    return Path(given) if given else user_cache_path("adm") / "files"


def released_path(name: str, to: Path | None = None) -> Path:
    """Tell where a released file lies, or would lie.

    Args:
        name: A key of RELEASED, or the name of a file in it.
        to: Its folder, or the file itself if that has the same ending; None means `released_folder()`.

    Raises:
        UserError: There is no such name.
    """
    key = _key(name)
    if key is None:
        raise UserError(f"{name!r}: is no released file; {accepted(RELEASED, name)}; `adm fetch` lists them")
    filename = RELEASED[key].filename
    if to is None:
        return released_folder() / filename
    return to if to.suffix == Path(filename).suffix and not to.is_dir() else to / filename


def fetch_released(name: str, to: Path | None = None) -> Path:
    """Download a released file, unless it is there; a download that was cut goes on.

    A file of which a checksum is known is checked whenever it is asked for. Any other appears under its name only when
    all its bytes have come, and is then taken as it is.

    Args:
        name: As for `released_path`.
        to: As for `released_path`.

    Returns:
        The file.

    Raises:
        UserError: There is no such name, the file cannot be downloaded, or it differs from the published one.
    """
    path = released_path(name, to)
    file = RELEASED[str(_key(name))]
    if file.sha256 or file.md5 or not path.is_file():
        download(file, path)
    return path


def placed(path: Path) -> Path:
    """Take a path as it is or, where there is nothing, as the name of a released file, which is fetched if need be.

    Raises:
        UserError: As `fetch_released`, or there is nothing, and the path looks like a name that no released file has.
    """
    if path.exists():
        return path
    if _key(str(path)) is not None:
        return fetch_released(str(path))
    if path.name == str(path) and not path.suffix:
        raise UserError(
            f"{path}: does not exist, and is no released file; {accepted(RELEASED, str(path))}; `adm fetch` lists them"
        )
    return path


def listing(to: Path | None = None) -> list[str]:
    """Write lines that tell every released file's name, size and place, and which are there already."""
    lines: list[str] = []
    kinds = {"Checkpoints": [*CHECKPOINTS], "References": [*REFERENCES], "Samples": [*SAMPLES], "Graphs": ["inception"]}
    for kind, names in kinds.items():
        lines += ["", f"{kind}:"] if lines else [f"{kind}:"]
        for name in names:
            path, file = released_path(name, to), RELEASED[name]
            size = f"{'' if file.size else 'about '}{about(name) / 1e9:.2f} GB"
            lines.append(f"  {name:<40} {size:>13}  {path if path.is_file() else file.url}")
    return lines


def _key(name: str) -> str | None:
    if name in RELEASED:
        return name
    return next((key for key, file in RELEASED.items() if file.filename == name), None)
