"""The graph: every kind of job, and from a params file to its jobs.

A package beside this one declares a kind by an entry point of the group `adm.kinds`, which names a `Kind`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from adm.config.metrics import METRICS, AskedParams
from adm.config.registry import rows_in
from adm.errors import accepted
from adm.params import Params, UserError
from adm.params.claims import grouped
from adm.params.load import check, read
from adm.params.needs import Needs, needs_of
from adm.params.references import Named, references
from adm.params.runs import ThroughputParams
from adm.params.schema import JobResources, ProcessResources, declared
from adm.params.section import Section, parts
from adm.pipeline import data, report, sampling, scoring, training
from adm.pipeline.jobs import Job, Kind

Read = tuple[dict[str, Path], dict[str, Any]]
"""Things that a job reads: artifacts, and sections of the params file, by the names that its stage has for them."""

STUDY = "interpolate"
"""One of the kinds of studies, which share a folder."""

MAKERS = {
    **{"checkpoints": "train", "gans": "train_gan", "graphs": "extractor", "all_references": "reference"},
    **dict.fromkeys(("runs", "scored"), "sample"),
    **dict.fromkeys(("interpolations", "neighbours", "likelihoods"), STUDY),
    "throughput": "throughput",
}
"""By what references name, a kind of job that makes it."""

NEEDED = {"metrics": "evaluate", "judged": "judge", "samples": "sample", "studies": STUDY}
"""By what tables, figures and claims need, the kind of job that makes it, if it has another name."""

USUAL = Path("params.yaml")
"""The params file that a command need not name."""

KEPT: dict[Any, "Pipeline"] = {}
"""Pipelines by the content of their params files."""


@cache
def kinds() -> dict[str, Kind]:
    """List every kind of job by its name, in the order of the pipeline: those of packages beside this one last.

    Raises:
        UserError: One of a package cannot be loaded.
    """
    own = [kind for chapter in (data, training, sampling, scoring, report) for kind in chapter.KINDS]
    return {kind.name: kind for kind in (*own, *declared())}


def pipeline_of(file: Path) -> "Pipeline":
    """Read a params file and make its pipeline, or take what this process, or the one it is a fork of, made of it.

    Raises:
        UserError: The file breaks the schema.
    """
    data = read(file).data
    key = repr(data), file, Path.cwd()
    if key not in KEPT:
        KEPT[key] = Pipeline(check(data, file), file=file)
    return KEPT[key]


class Pipeline:
    """All jobs of a params file.

    Args:
        params: The written-out params file.
        root: The results folder; None takes the folder in the params file.
        file: The params file, as commands are to name it.
    """

    def __init__(self, params: Params, root: Path | None = None, file: Path = USUAL) -> None:
        self.params, self.file = params, file
        self.root = root or Path(params.paths.results)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every job by its name, each after the jobs that it waits for."""
        named = {job.name: job for job in self.makers.values()}
        after = {name: self.after(job) for name, job in named.items()}
        return {name: named[name] for name in TopologicalSorter(after).static_order()}

    def making(self, *paths: Path) -> str:
        """Write the command that makes files or folders, or all, and what they are made from, where out of date."""
        named = [] if self.file == USUAL else ["--configfile", self.file]  # which takes all words behind it
        return " ".join(map(str, ["snakemake --cores all", *paths, *named]))

    def command(self, job: Job) -> str:
        """Write the command that carries out a job alone."""
        return " ".join(["adm", *job.command, *([] if self.file == USUAL else ["--params", str(self.file)])])

    @cached_property
    def makers(self) -> dict[Path, Job]:
        """The job that makes each file or folder.

        Raises:
            UserError: Two jobs would make one, as two entries have one key.
        """
        makers: dict[Path, Job] = {}
        for job in (job for kind in kinds().values() for job in self._jobs_of(kind)):
            for path in job.outputs.values():
                if path in makers:
                    raise UserError(f"{job.name}: writes {path}, as {makers[path].name} does; take another key")
                makers[path] = job
        return makers

    def _jobs_of(self, kind: Kind) -> Iterator[Job]:
        if kind.jobs is not None:
            yield from kind.jobs(self)
            return
        for key, entry in getattr(self.params, kind.section).items():
            inputs, sections = self.named(entry)
            sections |= {field: self.params.datasets[getattr(entry, field)] for field in kind.reads}
            yield self.job(kind, key, inputs, **{kind.entry: entry}, **sections)

    # What the kinds of jobs are made of.

    def job(self, kind: Kind, key: str, inputs: Mapping[str, Path], /, **sections: Any) -> Job:
        """Make a job; the first of its sections that tells threads tells its own."""
        threads = next((section.threads for section in sections.values() if hasattr(section, "threads")), 1)
        return Job(kind, key, self.root, inputs, sections, threads)

    def path(self, kind: str, key: str) -> Path:
        """Return the path of the artifact of a kind and a key."""
        return Job(kinds()[kind], key, self.root).outputs["out"]

    def named(self, entry: Section, *fields: str) -> Read:
        """Return what a job reads for the references of an entry: of all, or of the given fields in their order.

        A checkpoint is an input with the name of its field, and its model the section `model`, or that of its field
        with `_model`. A dataset is the input `data`, a measured model the section `model`.
        """
        names = references(type(entry), entry)
        if fields:
            names = [named for field in fields for named in names if named.field == field]
        inputs, sections = dict[str, Path](), dict[str, Any]()
        for named in names:
            artifacts, read = self._read(named)
            inputs |= artifacts
            sections |= read
        return inputs, sections

    def _read(self, named: Named) -> Read:
        params, key, name, of = self.params, named.key, named.field.partition(".")[0], named.ref.of
        if of == "models":
            return {}, {"model": params.models[key]}
        if of == "datasets":
            return {"data": self.dataset(key)}, {}
        inputs = {"graph" if of == "graphs" else name: self.path(MAKERS[of], key)}
        if of == "checkpoints":
            role = "model" if name == "checkpoint" else f"{name}_model"
            return inputs, {role: params.models[params.model_of(key)]}
        with_section = of in ("gans", "graphs", "all_references")
        return inputs, {name: getattr(params, of)[key]} if with_section else {}

    def dataset(self, key: str) -> Path:
        """Return the path of a dataset's images; those of a view are of the dataset whose view it is."""
        return self.path("prepare", self.params.datasets[key].of or key)

    def needed(self, needs: Needs) -> dict[str, Path]:
        """Return the artifacts that a table, a figure or claims are made from."""
        return {f"{kind}/{key}": self.artifact(kind, key) for kind, keys in needs.items() for key in keys}

    def artifact(self, need: str, key: str) -> Path:
        """Return the artifact that a table, a figure or claims read of something."""
        if need == "data":
            return self.dataset(key)
        if need == "training":
            return Job(kinds()["train"], key, self.root).outputs["log"]
        if need == "metrics" and (curve := self.params.curve_of(key)) is not None:
            return self.path("curve", curve)
        return self.path(NEEDED.get(need, need), key)

    @cached_property
    def scored_alone(self) -> list[str]:
        """The runs that have scores of their own, and none of a curve's."""
        return [key for key in self.params.scored if self.params.curve_of(key) is None]

    @cached_property
    def judged(self) -> list[str]:
        """The scores by judges that tables and claims ask for, as RUN@JUDGE."""
        params = self.params
        claims = (claim for group in grouped(params.claims).values() for claim in group.values())
        return needs_of(params, *params.tables.values(), *claims)["judged"]

    def asked(self, runs: Iterable[str]) -> dict[str, AskedParams]:
        """Make the section of metrics that runs are scored by beside those of every run, if there are any."""
        names = sorted({name for run in runs for name in self._asked_of.get(run, ())})
        return {"asked": AskedParams(metrics=names)} if names else {}

    @cached_property
    def _asked_of(self) -> dict[str, set[str]]:
        """By run, the metrics that tables, figures and claims ask for beside those of every run."""
        params, asked_of = self.params, dict[str, set[str]]()
        for exhibit in (*params.tables.values(), *params.figures.values(), *params.claims.values()):
            need = needs_of(params, exhibit)
            rows = (row.partition(".") for row in rows_in(exhibit))
            if asked := {name for what, _, name in rows if what == METRICS.what} - {*METRICS.always}:
                for run in (*need["metrics"], *(parts(key)[0] for key in need["judged"])):
                    asked_of.setdefault(run, set()).update(asked)
        return asked_of

    # What is asked of the graph.

    def after(self, job: Job) -> list[str]:
        """Return the names of the jobs whose artifacts a job reads."""
        return list(dict.fromkeys(self.makers[path].name for path in job.inputs.values()))

    @property
    def triggers(self) -> dict[str, dict[str, Any]]:
        """Values that have each job run again, by its name."""
        return {name: job.triggers for name, job in self.jobs.items() if job.kind.name != "resolve"}

    def of_kind(self, name: str) -> list[Job]:
        """Return the jobs of a kind, in the order of the params file."""
        return [job for job in self.jobs.values() if job.kind.name == name]

    def find(self, verb: str, argument: str) -> Job:
        """Find the job of a command line.

        Raises:
            UserError: There is no such job; the message names those that exist.
        """
        jobs = {job.argument: job for job in self.jobs.values() if job.kind.verb == verb}
        if argument not in jobs:
            raise UserError(f"{verb} {argument!r}: is not in the params file; {accepted(list(jobs), argument)}")
        return jobs[argument]

    def resources(self, job: Job) -> JobResources | ProcessResources:
        """Return the resources of a job."""
        taken = getattr(self.params.resources, job.kind.resources)
        entry = job.sections.get(job.kind.name)
        if isinstance(entry, ThroughputParams):  # it measures a device
            return ProcessResources(**taken.model_dump(), device=entry.device)
        if job.kind.in_several or not isinstance(taken, ProcessResources):
            return taken  # type: ignore[no-any-return]
        # Studies are computed by a single process.
        return taken.model_copy(update={"nodes": 1, "processes": 1})

    @property
    def exhibits(self) -> dict[str, list[str]]:
        """The keys of what the page shows, by kind, in the order of the params file."""
        params = self.params
        return {"claims": list(grouped(params.claims)), "table": list(params.tables), "figure": list(params.figures)}
