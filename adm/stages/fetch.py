"""`fetch`: a published file, as it is: one of the params file, or one that is known by name."""

from pathlib import Path

from adm.artifacts.download import download
from adm.artifacts.manifest import provenance, sha256, write_manifest
from adm.artifacts.writing import link_or_copy, new_folder
from adm.params.errors import UserError, accepted
from adm.params.known import KNOWN
from adm.params.published import PublishedParams


def run(published: PublishedParams, out: Path) -> None:
    """Write a folder that holds the file under its own name; what an earlier try downloaded is not asked for again.

    Raises:
        UserError: The file cannot be had, or is not the one that was published.
    """
    made_by = provenance("fetch", {"published": published.file}, {}, [])
    # Beside the folder, which vanishes when a try fails.
    waiting = out.with_name(f".{out.name}.{published.filename}")
    download(published.url, waiting, published.size, published.sha256, published.md5)
    with new_folder(out) as folder:
        path = folder / published.filename
        # Its first name stays until the folder is in its place: a full disk or a kill costs no second download.
        link_or_copy(waiting, path)
        write_manifest(folder, made_by, {"size": path.stat().st_size, "sha256": sha256(path)})
    waiting.unlink()


def run_known(name: str, out: Path | None) -> None:
    """Download a well-known file; one that is there already, with the right checksum, is not asked for again.

    Args:
        name: One of KNOWN.
        out: The file to write, or the folder to write it into; the working folder if None.

    Raises:
        UserError: There is no such name, the file cannot be had, or it is not the one that was published.
    """
    if name not in KNOWN:
        raise UserError(f"{name!r}: is no file that is known by name; {accepted(KNOWN, name)}")
    file = KNOWN[name]
    path = out or Path()
    path = path / file.filename if path.is_dir() else path
    download(file.url, path, file.size, file.sha256, file.md5)
    print(path)
