"""Kinds of jobs, and jobs: what each writes and reads, and what has it run again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adm.artifacts.code import STAGES, code_digest, code_of_record
from adm.config.base import plain
from adm.config.models import AnyModel, Precision
from adm.config.registry import rows_in
from adm.params.section import Section

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


@dataclass(frozen=True)
class Passes:
    """What a job costs: forward passes of a model's network, of an image each, in a precision."""

    model: AnyModel
    count: float
    precision: Precision


@dataclass(frozen=True)
class Kind:
    """A kind of job: all that the project knows of it but its stage, a function `run` that takes keywords.

    Attributes:
        name: Its name, and that of its rule.
        help: What it does, for the command line; of kinds with one verb the first has it.
        outputs: What it writes, by name: paths in the results folder, with `{key}` in them; folders end in a slash.
        section: The section of the params file with an entry for each of its jobs, if there is one.
        params: The class of the entries of a section that a package beside this one brings.
        entry: The name by which its stage takes the entry; by default its own.
        reads: Datasets whose sections the stage takes, too, by the fields of the entry that name them.
        jobs: Lists its jobs; if not given, there is one for each entry of the section, with what this names as inputs.
        cost: Lists the passes of networks that a job costs; nothing, if it takes no time on accelerators.
        verb: The verb that carries it out; by default its name.
        stage: The module of the verb's stage; by default one of `adm.stages`.
        libraries: Distributions whose version can change what it makes, beside those that its sections name.
        resources: The entry of the params file's `resources` that says what it takes.
        prefix: What stands before the key on the command line.
        flag: What an engine adds to the command line.
        in_several: Whether its jobs can run in several processes.
        priority: Before other jobs that are ready, where it is larger.
        shown: The ending of the output that Snakemake's own report shows.
    """

    name: str
    outputs: Mapping[str, str]
    help: str = ""
    section: str = ""
    params: type[Section] | None = None
    entry: str = ""
    reads: tuple[str, ...] = ()
    jobs: "Callable[[Pipeline], Iterator[Job]] | None" = None
    cost: "Callable[[Job], Iterator[Passes]] | None" = None
    verb: str = ""
    stage: str = ""
    libraries: tuple[str, ...] = ()
    resources: str = "others"
    prefix: str = ""
    flag: str = ""
    in_several: bool = False
    priority: int = 0
    shown: str = ""

    def __post_init__(self) -> None:
        if self.name != "resolve" and not {"out", "json"} & self.outputs.keys():
            raise ValueError(f"{self.name}: no output tells what made it: `out`, or `json`, which `write_shown` writes")
        verb = self.verb or self.name
        for name, value in {"verb": verb, "stage": f"adm.stages.{verb}", "entry": self.name}.items():
            object.__setattr__(self, name, getattr(self, name) or value)
        # Their sections are code, too: a stage need not import what it is handed, nor are defaults recorded there.
        declared = [each.__module__ for each in (self.params, self.jobs) if each is not None]
        STAGES[self.verb] = (self.stage, *(name for name in declared if not name.startswith("adm.")))

    @property
    def wildcards(self) -> list[str]:
        """The wildcard of its outputs, if its jobs have keys."""
        return ["{key}"] if any("{key}" in path for path in self.outputs.values()) else []


@dataclass(frozen=True)
class Job:
    """One call of a verb.

    Attributes:
        kind: Its kind.
        key: The key of its artifact; "" if the kind has only one job.
        root: The results folder.
        inputs: The artifacts that it reads, by name; a slash parts a kind from a key, as in "metrics/scale-2".
        sections: What it reads of the params file, by name: sections, or plain values.
        threads: Of each of its processes.
    """

    kind: Kind
    key: str
    root: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1

    @property
    def argument(self) -> str:
        """Its key on the command line."""
        return f"{self.kind.prefix}{self.key}"

    @property
    def command(self) -> list[str]:
        """The words of the command line, without the params file."""
        return [self.kind.verb.replace("_", "-"), *filter(None, [self.argument, self.kind.flag])]

    @property
    def name(self) -> str:
        """Its name in messages and logs: `train/adm-128-250`, `resolve`."""
        return "/".join(filter(None, [self.kind.name, self.key]))

    @property
    def outputs(self) -> dict[str, Path]:
        """The paths that it writes, by name."""
        return {name: self.root / path.format(key=self.key) for name, path in self.kind.outputs.items()}

    @property
    def out(self) -> Path:
        """The path that it writes; if several files differ only in their endings, the path without an ending."""
        paths = self.outputs
        return paths["out"] if "out" in paths else next(iter(paths.values())).with_suffix("")

    @property
    def work(self) -> Path:
        """The folder of its intermediate state, from which it resumes after a kill."""
        return self.root / "work" / self.name

    @property
    def artifacts(self) -> dict[str, dict[str, Path]]:
        """The inputs by kind and key."""
        by_kind: dict[str, dict[str, Path]] = {}
        for name, path in self.inputs.items():
            kind, _, key = name.partition("/")
            by_kind.setdefault(kind, {})[key] = path
        return by_kind

    @property
    def code(self) -> str:
        """The digest of its stage's code, with the rows of registries that its sections name."""
        return code_digest(self.kind.verb, tuple(rows_in(self.sections)))

    @property
    def values(self) -> dict[str, Any]:
        """The values that it reads from the params file, as plain values, without those equal to their defaults."""
        return {name: plain(section) for name, section in self.sections.items()}

    @property
    def triggers(self) -> dict[str, Any]:
        """Values that have it run again, beside its inputs: its stage's code and what it reads of the params file."""
        return {"code": code_of_record(self.kind.verb, self.code), "params": self.values}
