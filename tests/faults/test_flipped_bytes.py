"""A byte flipped in any file that a stage reads is found before it is used: by the stage, and by `adm verify`.

The jobs are those of the project in miniature. `ADM_FLIP_SEED` flips other bytes.
"""

import os
import random
import shutil
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path

import pytest
from damage import flip

from adm.artifacts.manifest import MANIFEST
from adm.params import load
from adm.pipeline import Pipeline

pytestmark = [pytest.mark.xdist_group("engines"), pytest.mark.slow]

SEED = int(os.environ.get("ADM_FLIP_SEED", "0"))
RESULTS = Path("results", "embedded")
READ_BY_NONE = {"report.html", "report.json", "tables", "figures", "claims", "jobs", "logs", "params.yaml", "work"}
"""The page, tables, figures and claims, which no stage takes numbers from; what is no result."""

NOT_OPENED = {
    ("evaluate", "samples", "samples.npz"),
    ("judge", "samples", "samples.npz"),
    *(("judge", "data", f"{kind}-0000{number}.npy") for kind in ("images", "labels") for number in range(2)),
}
"""Of the images behind features `evaluate` and `judge` read manifests alone: the scores are of what was written."""


@pytest.fixture
def results(by_snakemake, tmp_path, monkeypatch):
    """A copy of the miniature results; the working folder is the one that they lie in."""
    shutil.copytree(by_snakemake.folder / RESULTS, tmp_path / RESULTS)
    shutil.copy(by_snakemake.folder / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return RESULTS


@pytest.fixture
def jobs(results):
    return [job for job in Pipeline(load("params.yaml")).jobs.values() if job.kind.name not in ("resolve", "report")]


@contextmanager
def flipped(path, draw):
    """A file with a byte that differs in some bits."""
    content = path.read_bytes()
    flip(path, draw.randrange(len(content)), draw.randrange(1, 256))
    try:
        yield
    finally:
        path.write_bytes(content)


def files_of(artifact):
    found = [artifact] if artifact.is_file() else sorted(artifact.rglob("*"))
    return [file for file in found if file.is_file() and not file.name.startswith(".")]


def state_of(job):
    """When what a job makes was last written."""
    return {file: file.stat().st_mtime_ns for path in job.outputs.values() for file in files_of(path)}


def test_a_stage_refuses_what_it_reads_with_a_flipped_byte(results, jobs, adm):
    """Once for each verb, kind of artifact and file of it; which of several artifacts is drawn."""
    draw = random.Random(SEED)
    tried = set()
    for job in draw.sample(jobs, len(jobs)):
        before = state_of(job)
        for artifact in job.inputs.values():
            kind = artifact.relative_to(results).parts[0]
            for file in files_of(artifact):
                case = job.kind.verb, kind, file.name if artifact.is_dir() else file.suffix
                if case in tried | NOT_OPENED:
                    continue
                tried.add(case)
                with flipped(file, draw):
                    exit_code, out, err = adm(*job.command)
                assert (exit_code, out) == (2, ""), (SEED, *case)
                assert err.startswith(f"error: {file}: "), (SEED, *case, err)
                assert err.count("\n") == 1, err
                assert state_of(job) == before, (SEED, *case)
    kinds = {kind for _, kind, _ in tried}
    assert kinds == {path.name for path in results.iterdir()} - READ_BY_NONE
    print(f"{len(tried)} flipped bytes refused by {len({verb for verb, *_ in tried})} verbs, seed {SEED}")


def wrong_after(adm, results, files, draw):
    """What `adm verify` finds wrong, by the artifact's path, with a byte flipped in each of these files at once."""
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(flipped(file, draw))
        exit_code, out, _ = adm("verify", results)
        assert exit_code == 1
    told = (line.split(": ", 1) for line in out.splitlines())
    return {results / path: words for path, words in told}


def test_verify_names_every_file_with_a_flipped_byte(results, adm):
    """One of each folder at a time, manifests last: of a folder whose manifest is damaged nothing else can be told."""
    draw = random.Random(SEED)
    every = [file for path in results.iterdir() if path.name not in READ_BY_NONE for file in files_of(path)]
    folders = {}
    for file in sorted(every, key=lambda file: file.name == MANIFEST):
        folders.setdefault(file.parent if (file.parent / MANIFEST).exists() else file, []).append(file)
    assert adm("verify", results)[0] == 0
    for at_once in zip_longest(*(each[::-1] for each in folders.values())):
        files = [file for file in at_once if file]
        wrong = wrong_after(adm, results, files, draw)
        for file in files:
            mistakes = wrong.get(file, wrong.get(file.parent, ""))
            assert mistakes.startswith(f"{file.name}: is no"), (SEED, file, mistakes)
    assert adm("verify", results)[0] == 0
    print(f"{len(every)} flipped bytes named by verify, seed {SEED}")
