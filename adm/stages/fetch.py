"""`fetch`: the download of a published file, from the params file or known by name."""

from pathlib import Path

from adm.artifacts.download import download
from adm.artifacts.manifest import provenance, sha256, write_manifest
from adm.artifacts.writing import link_or_copy, new_folder
from adm.params.errors import UserError, accepted
from adm.params.known import KNOWN
from adm.params.published import PublishedParams


def run(published: PublishedParams, out: Path) -> None:
    """Write a folder with the file under its own name; a partial download of an earlier try is continued.

    Raises:
        UserError: The file cannot be downloaded, or differs from the published one.
    """
    made_by = provenance("fetch", {"published": published.file}, {}, [])
    # Beside the folder, because the folder is removed when a try fails.
    waiting = out.with_name(f".{out.name}.{published.filename}")
    download(published.url, waiting, published.size, published.sha256, published.md5)
    with new_folder(out) as folder:
        path = folder / published.filename
        # The first name stays until the folder is in place: after a full disk or a kill, no second download is needed.
        link_or_copy(waiting, path)
        write_manifest(folder, made_by, {"size": path.stat().st_size, "sha256": sha256(path)})
    waiting.unlink()


def run_known(name: str, out: Path | None) -> None:
    """Download a well-known file, unless it already exists with the right checksum.

    Args:
        name: A key of KNOWN.
        out: The file to write, or its folder; None means the working folder.

    Raises:
        UserError: There is no such name, the file cannot be downloaded, or it differs from the published one.
    """
    if name not in KNOWN:
        raise UserError(f"{name!r}: is no file that is known by name; {accepted(KNOWN, name)}")
    file = KNOWN[name]
    path = out or Path()
    path = path / file.filename if path.is_dir() else path
    download(file.url, path, file.size, file.sha256, file.md5)
    print(path)
