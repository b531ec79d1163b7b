"""`publish`: the tables, figures and claims of a scale, and the scores that they are made from, in a folder for git.

`results/published/<scale>` has the layout of a results folder. What its tables, claims and figures without images are
made from lies in one archive, so that all of these can be made anew, and proven, in a clone that ran nothing.
"""

import re
import shutil
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from adm.artifacts.comparison import Kind, Tolerance, compare_files
from adm.artifacts.manifest import damage, read_record
from adm.artifacts.reading import readable
from adm.artifacts.writing import new_folder
from adm.errors import some
from adm.params import UserError
from adm.params.load import write
from adm.pipeline import Job, Pipeline, kinds
from adm.pipeline.carrying import carry_out, check_sound
from adm.progress import progress
from adm.report.spent import spent, table, trained

ARCHIVE = "scores.tar.xz"

NOTE = "README.md"
"""Says in its first line why the tables of a folder without scores cannot be proven."""

SHOWN = {"table": ("csv", "md"), "figure": ("png",), "claims": ("csv", "md")}
"""Kinds of jobs whose outputs are published, and which of these."""

PARAMS, PROCESSORS = kinds()["resolve"].outputs["params"], "processors.txt"
"""Files of the archive beside artifacts: the written-out params file, and the processors that the scale ran on."""


def published(results: Path) -> Path:
    """Name the folder that publishes a results folder."""
    return results.parent / "published" / results.name


def run(pipeline: Pipeline) -> str:
    """Publish a scale that has run, and say so; what was published before is replaced.

    Raises:
        UserError: An artifact that is to be published does not exist or is stale, or a table or claim does not follow
            from scores. What was published stays.
    """
    check_sound(pipeline, *(path for job in _shown(pipeline) for path in job.outputs.values()))
    for job in _shown(pipeline):
        for mistake in damage(job.out.parent, read_record(job.outputs["json"])):
            raise UserError(f"{mistake}; make it again: {pipeline.command(job)}")
    training = trained(pipeline.root).to_csv(index=False, lineterminator="\n")
    texts = {"spent.md": "\n".join(table(spent(pipeline.root))) + "\n", "training.csv": training}
    return _write(pipeline, published(pipeline.root), texts)


def again(pipeline: Pipeline) -> str:
    """Make what is published anew from the published scores, and say so.

    Figures that show images stay as they are, and those of studies that another version published, which are named.

    Raises:
        UserError: The scores were made with other params, by another version, or are damaged or missing.
    """
    out = published(pipeline.root)
    with TemporaryDirectory() as scratch:
        inside = Pipeline(pipeline.params, unpack(out, Path(scratch) / "results"))
        for job in inside.of_kind("sizes"):  # which follow from params alone
            carry_out(inside, job, SimpleNamespace())
        for job in _shown(inside):
            try:
                if not (stays := _has_images(job)):
                    _make(inside, job, out)
            except UserError as error:
                if not (stays := job.kind.name == "figure"):
                    raise
                print(f"stays as it is: {error}")
            if stays:
                shutil.copyfile(out / job.outputs["png"].relative_to(inside.root), job.outputs["png"])
        return _write(inside, out, {name: (out / name).read_text() for name in ("spent.md", "training.csv")})


def check(pipeline: Pipeline, out: Path) -> tuple[list[str], str]:
    """Prove that published tables and claims follow from the scores beside them, and that no file is missing.

    What figures show, `spent.md` and `training.csv` are not proven; `out` is the folder.

    Returns:
        A line for each file that does not follow, and what was found on the whole.

    Raises:
        UserError: The scores were made with other params, by another version, or are damaged or missing.
    """
    if not out.is_dir():
        return [], f"{out}: nothing is published"
    if not (out / ARCHIVE).is_file() and (out / NOTE).is_file():
        return [], f"{out}: cannot be proven: {(out / NOTE).read_text(encoding='utf-8').splitlines()[0]}"
    wrong: list[str] = []
    with TemporaryDirectory() as scratch:
        inside = Pipeline(pipeline.params, unpack(out, Path(scratch) / "results"))
        wanted = {path.relative_to(inside.root) for job in _shown(inside) for path in _outputs(job)}
        jobs = [job for job in _shown(inside) if job.kind.name != "figure"]
        for job in jobs:
            _make(inside, job, out)
            for name in (path.relative_to(inside.root) for path in _outputs(job)):
                compared = compare_files(out / name, inside.root / name, Tolerance())
                if compared.kind not in (Kind.EQUAL, Kind.CLOSE):
                    wrong.append(f"{out / name}: does not follow from {ARCHIVE}: {compared.words}")
    there = {path.relative_to(out) for path in out.glob("*/*")}
    wrong += [f"{out / name}: is missing" for name in sorted(wanted - there)]
    wrong += [f"{out / name}: is of no job of the params file" for name in sorted(there - wanted)]
    return wrong, f"{out}: {len(jobs)} tables and groups of claims made anew from {ARCHIVE}; {len(wrong)} files differ"


def unpack(out: Path, into: Path) -> Path:
    """Put the scores of a published folder into a results folder, and its tables and claims beside them.

    Raises:
        UserError: There are none, or the archive is damaged.
    """
    path = out / ARCHIVE
    with readable(path, "is no archive of scores, or a damaged one"), tarfile.open(path, "r:xz") as archive:
        archive.extractall(into, filter="data")
    for folder in ("tables", "claims"):
        if (out / folder).is_dir():
            shutil.copytree(out / folder, into / folder)
    (into / "figures").mkdir()
    return into


def processors(results: Path) -> set[str]:
    """List the processors that jobs of a results folder ran on, by their journals, or as they were published."""
    if (results / PROCESSORS).is_file():
        return set((results / PROCESSORS).read_text("utf-8").splitlines())
    journals = [path.read_text("utf-8") for path in (results / "logs").rglob("*.txt")]
    return set(re.findall(r"^  processor: (.+)$", "\n".join(journals), re.MULTILINE))


def _write(pipeline: Pipeline, out: Path, texts: dict[str, str]) -> str:
    root = pipeline.root
    with new_folder(out) as folder:
        for job in _shown(pipeline):
            for path in _outputs(job):
                (folder / path.parent.name).mkdir(exist_ok=True)
                shutil.copyfile(_there(path), folder / path.relative_to(root))
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        _pack(pipeline, folder / ARCHIVE)
        wrong, words = check(pipeline, folder)
        if wrong:
            raise UserError(f"{out}: stays as it is; {some(wrong)}".replace(str(folder), str(out)))
    return words.replace(str(folder), str(out))


def _pack(pipeline: Pipeline, archive: Path) -> None:
    """Write what is published to be computed from; the bytes depend on the content alone."""
    root = pipeline.root
    paths = {path for job in _shown(pipeline) if not _has_images(job) for path in job.inputs.values()}
    files = {file for path in paths for file in (path.iterdir() if _there(path).is_dir() else [path])}
    contents = {
        PARAMS: write(pipeline.params).encode(),
        PROCESSORS: "".join(f"{name}\n" for name in sorted(processors(root))).encode(),
        **{str(path.relative_to(root)): path.read_bytes() for path in sorted(files) if path.name[0] != "."},
    }
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name, content in progress(contents.items(), unit="file", name="packing scores"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, BytesIO(content))


def _shown(pipeline: Pipeline) -> Iterator[Job]:
    return (job for job in pipeline.jobs.values() if job.kind.name in SHOWN)


def _outputs(job: Job) -> list[Path]:
    return [job.outputs[ending] for ending in SHOWN[job.kind.name]]


def _has_images(job: Job) -> bool:
    return "samples" in job.artifacts or "data" in job.artifacts


def _make(inside: Pipeline, job: Job, out: Path) -> None:
    """Carry out the job of a table, a figure or claims; errors name the published archive."""
    try:
        carry_out(inside, job, SimpleNamespace())
    except UserError as error:
        told, _, _ = str(error).partition("; make it")  # which is of results, and these are published
        raise UserError(f"{job.name}: {told.replace(f'{job.root}/', f'{out / ARCHIVE}: ')}") from error


def _there(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path}: does not exist; run the whole scale before it is published")
    return path
