"""`fetch`: the download of a published file of the params file."""

from pathlib import Path

from adm.artifacts.download import download
from adm.artifacts.manifest import MadeBy, sha256, write_manifest
from adm.artifacts.released_files import name_of, released_path
from adm.artifacts.writing import link_or_copy, new_folder
from adm.config.files import PublishedFile


def run(published: PublishedFile, out: Path, made_by: MadeBy) -> None:
    """Write a folder with the file under its own name; a partial download of an earlier try is continued.

    Raises:
        UserError: The file cannot be downloaded, or differs from the published one.
    """
    # Beside the folder, because the folder is removed when a try fails.
    waiting = out.with_name(f".{out.name}.{published.filename}")
    if (name := name_of(published)) and (kept := released_path(name)).is_file():  # `adm fetch` fetched it
        published = published.model_copy(update={"url": kept.resolve().as_uri()})
    download(published, waiting)
    with new_folder(out) as folder:
        path = folder / published.filename
        # The first name stays until the folder is in place: after a full disk or a kill, no second download is needed.
        link_or_copy(waiting, path)
        write_manifest(folder, made_by, {"size": path.stat().st_size, "sha256": sha256(path)})
    waiting.unlink()
