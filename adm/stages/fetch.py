"""`fetch`: a published file, as it is."""

from pathlib import Path

from adm.artifacts.download import download
from adm.artifacts.manifest import provenance, sha256, write_manifest
from adm.artifacts.writing import new_folder
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
        path = waiting.rename(folder / published.filename)
        write_manifest(folder, made_by, {"size": path.stat().st_size, "sha256": sha256(path)})
