"""Files by name: released ones, fetched into a folder of the user's that keeps them, and networks of this package."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from adm.artifacts.download import download
from adm.artifacts.manifest import MANIFEST
from adm.config.files import KINDS, RELEASED, PublishedFile
from adm.errors import UserError, accepted

FOLDER = "ADM_FILES"
"""Environment variable: the folder that keeps released files."""

PACKAGED = {path.stem: path for path in (Path(__file__).parents[1] / "networks").glob("*.safetensors")}
"""Small networks that come with the package, by name."""

WEIGHTS, RECORD = "model.safetensors", "samples.json"
"""Files of a network's folder for a model hub: its weights, and what made the images beside them."""


def released_folder() -> Path:
    """Find the folder that keeps released files: that of the environment variable, else one in the user's cache."""
    return Path(os.environ.get(FOLDER) or user_cache_path("adm") / "files")


def released_path(name: str, to: Path | None = None) -> Path:
    """Tell where a released file lies, or would lie, by its key in RELEASED or the name of its file.

    That is in `released_folder()`, or in the folder `to`, which may be the file itself if it has the same ending.

    Raises:
        UserError: There is no such name.
    """
    filename = _file(name).filename
    if to is None:
        return released_folder() / filename
    return to if to.suffix == Path(filename).suffix and not to.is_dir() else to / filename


def fetch_released(name: str, to: Path | None = None) -> Path:
    """Download a released file to `released_path`, unless it is there; a download that was cut goes on.

    A file of which a checksum is known is checked whenever it is asked for. Any other appears under its name only when
    all its bytes have come, and is then taken as it is.

    Raises:
        UserError: There is no such name, the file cannot be downloaded, or it differs from the published one.
    """
    path, file = released_path(name, to), _file(name)
    if file.sha256 or file.md5 or not path.is_file():
        wrong = ", where another file has this name" if path.is_file() else ""
        download(file, path, f"put {path.name} from elsewhere into {path.parent}{wrong}")
    return path


def name_of(file: PublishedFile) -> str | None:
    """Return the name of a released file by its URL; None if it is not one."""
    return next((name for name, released in RELEASED.items() if released.url == file.url), None)


def placed(path: Path) -> Path:
    """Take a path as it is or, where there is nothing, as the name of a released file, which is fetched if need be.

    The name of a network of this package is that network, unless a checkpoint is there; a folder for a model hub is
    its weights.

    Raises:
        UserError: As `fetch_released`, or there is nothing, and the path looks like a name that no released file has.
    """
    if (path / WEIGHTS).is_file() and not (path / MANIFEST).exists():
        return path / WEIGHTS
    if str(path) in PACKAGED and not (path / MANIFEST).exists():
        return PACKAGED[str(path)]
    is_released = any(path.name in (name, file.filename) for name, file in RELEASED.items())
    is_missing = not (holds_network(path) if is_released else path.exists() or path.suffix)
    return fetch_released(path.name) if path.name == str(path) and is_missing else path


def holds_network(path: Path) -> bool:
    """Tell whether a path is a file, a checkpoint or a folder for a model hub: not any folder of a network's name."""
    return path.is_file() or any((path / name).is_file() for name in (MANIFEST, WEIGHTS))


def listing(to: Path | None = None) -> list[str]:
    """Write lines that tell every released file's name and place, and which are there already."""
    lines: list[str] = []
    for kind, names in KINDS.items():
        lines += ["", f"{kind}:"] if lines else [f"{kind}:"]
        for name in names:
            path, file = released_path(name, to), RELEASED[name]
            lines.append(f"  {name:<40}  {path if path.is_file() else file.url}")
    return [*lines, "", "Networks of this package:", *(f"  {name:<40}  {path}" for name, path in PACKAGED.items())]


def _file(name: str) -> PublishedFile:
    file = RELEASED.get(name) or next((file for file in RELEASED.values() if file.filename == name), None)
    if name in PACKAGED:
        raise UserError(f"{name}: comes with this package, and needs no fetching; adm generate {name}")
    if file is None:
        hint = f"{accepted([*RELEASED, *PACKAGED], name)}; `adm fetch` lists them"
        raise UserError(f"{name}: does not exist, and is no name of a file or network; {hint}")
    return file
