"""The artifacts of a results folder: folders with a manifest, and single files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adm.artifacts.manifest import MANIFEST
from adm.errors import UserError

SCRATCH = frozenset({"jobs", "logs", "params.yaml", "report.html", "shards", "work"})
"""What a results folder holds beside results: triggers of jobs, logs, params, the page of all, and unfinished work."""

LOOSE = frozenset({".csv", ".html", ".json", ".md", ".pdf", ".png", ".svg", ".tex"})
"""Endings of single files. A folder that holds any other file is an artifact and needs a manifest."""


@dataclass(frozen=True)
class Artifact:
    """A folder with a manifest, or a single file.

    Attributes:
        path: Where it is.
        is_folder: Whether it is a folder.
        files: All files in the folder but hidden ones, by relative path; a single file has itself, by its name.
    """

    path: Path
    is_folder: bool
    files: Mapping[str, Path]


def find_artifacts(results: Path) -> dict[str, Artifact]:
    """All artifacts of a results folder by relative path, sorted; hidden files and `SCRATCH` are left out.

    Raises:
        UserError: There is no such folder, or it holds no artifact, or is itself one.
    """
    if not results.exists():
        raise UserError(f"{results}: does not exist")
    if not results.is_dir():
        raise UserError(f"{results}: is a file, not a results folder")
    entries = [entry for entry in _entries(results) if entry.name not in SCRATCH]
    if _is_artifact(entries):
        raise UserError(f"{results}: is a single artifact; give the results folder that holds it")
    found = {
        artifact.path.relative_to(results).as_posix(): artifact for entry in entries for artifact in _artifacts(entry)
    }
    if not found:
        raise UserError(f"{results}: holds no artifact")
    return dict(sorted(found.items()))


def check_out(out: Path | None, *results: Path) -> None:
    """Refuse a path for a report that is a folder or lies among the artifacts.

    Raises:
        UserError: `out` is a folder, or lies in a folder of results.
    """
    if out is None:
        return
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; the report is one json file")
    for folder in results:
        if out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"--out {out}: lies in {folder}, of which it is no result; write it elsewhere")


def _artifacts(path: Path) -> Iterator[Artifact]:
    if not path.is_dir():
        yield Artifact(path, False, {path.name: path})
        return
    entries = _entries(path)
    if _is_artifact(entries):
        files = [file for entry in entries for file in _files(entry)]
        yield Artifact(path, True, {file.relative_to(path).as_posix(): file for file in files})
        return
    for entry in entries:
        yield from _artifacts(entry)


def _is_artifact(entries: list[Path]) -> bool:
    return any(entry.name == MANIFEST or entry.suffix not in LOOSE for entry in entries if not entry.is_dir())


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for entry in _entries(path):
        yield from _files(entry)


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
