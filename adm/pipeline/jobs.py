"""Kinds of jobs and what each writes; a job, what it reads, and what has it run again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adm.artifacts.code import code_digest, code_of_record
from adm.params.registry import rows_in
from adm.params.section import Section


@dataclass(frozen=True)
class Rule:
    """A kind of job.

    Attributes:
        verb: The stage that carries it out.
        outputs: What it writes, by name: paths in the results folder, with `{key}` in them; folders end in a slash.
        resources: The entry of the params file's `resources` that says what it takes.
        prefix: What stands before the key on the command line.
        made_by: The stage that its outputs name as their maker, if that is another than the verb.
        flag: What an engine adds to the command line.
    """

    verb: str
    outputs: Mapping[str, str]
    resources: str = "others"
    prefix: str = ""
    made_by: str = ""
    flag: str = ""

    def patterns(self, root: Path) -> list[tuple[str, bool]]:
        """The paths of its outputs, with the wildcards `{key}` and `{shard}`, and whether each is a folder."""
        return [(f"{root}/{path.rstrip('/')}", path.endswith("/")) for path in self.outputs.values()]

    def log_pattern(self, root: Path, name: str) -> str:
        """The path of what its jobs print, with the same wildcards."""
        written = "".join(self.outputs.values())
        return "/".join([f"{root}/logs", name, *(part for part in ("{key}", "{shard}") if part in written)]) + ".out"

    @property
    def stage(self) -> str:
        """The stage that its outputs name as their maker, and whose code it runs."""
        return self.made_by or self.verb


RULES = {
    "resolve": Rule("resolve", {"jobs": "jobs/", "params": "params.yaml"}),
    "fetch": Rule("fetch", {"out": "downloads/{key}/"}),
    "adopt_checkpoints": Rule("adopt", {"out": "checkpoints/{key}/"}, prefix="checkpoints/"),
    "adopt_samples": Rule("adopt", {"out": "samples/{key}/"}, prefix="samples/"),
    "adopt_references": Rule("adopt", {"out": "references/{key}/"}, prefix="references/"),
    "adopt_graphs": Rule("adopt", {"out": "extractors/{key}/"}, prefix="graphs/"),
    "prepare": Rule("prepare", {"out": "data/{key}/"}),
    "extractor": Rule("extractor", {"out": "extractors/{key}/"}),
    "init": Rule("init", {"out": "checkpoints/{key}-0/"}),
    "train": Rule("train", {"out": "checkpoints/{key}/", "log": "training/{key}.csv"}, "train"),
    "train_gan": Rule("train_gan", {"out": "gans/{key}/"}),
    "sizes": Rule("sizes", {"out": "sizes.json"}),
    "throughput": Rule("throughput", {"out": "throughput/{key}.json"}),
    "sample": Rule("sample", {"out": "samples/{key}/"}, "sample"),
    "sample_shard": Rule("sample", {"out": "shards/{key}/{shard}.npz"}, "sample"),
    # What `sample` would have written, byte for byte.
    "gather": Rule("gather", {"out": "samples/{key}/"}, made_by="sample"),
    "sample_gan": Rule("sample_gan", {"out": "samples/{key}/"}),
    "features": Rule("features", {"out": "features/{key}/"}, "features"),
    "dataset_features": Rule("features", {"out": "features/dataset/{key}/"}, "features", prefix="dataset/"),
    "reference_features": Rule("features", {"out": "features/reference/{key}/"}, "features", prefix="reference/"),
    "reference": Rule("reference", {"out": "references/{key}/"}),
    "evaluate": Rule("evaluate", {"out": "metrics/{key}.json"}),
    "curve": Rule("curve", {"out": "curves/{key}.json"}, "sample"),
    "judge": Rule("judge", {"out": "judged/{key}.json"}),
    "interpolate": Rule("interpolate", {"out": "studies/{key}/"}, "sample"),
    "neighbours": Rule("neighbours", {"out": "studies/{key}/"}),
    "vary": Rule("vary", {"out": "studies/{key}/"}, "sample"),
    "likelihood": Rule("likelihood", {"out": "studies/{key}/"}, "sample"),
    "schedule": Rule("schedule", {"out": "studies/{key}/"}, "sample"),
    "table": Rule("table", {ending: f"tables/{{key}}.{ending}" for ending in ("csv", "md", "tex", "html")}),
    "figure": Rule("figure", {ending: f"figures/{{key}}.{ending}" for ending in ("png", "pdf", "svg")}),
    "claims": Rule("claims", {ending: f"claims/{{key}}.{ending}" for ending in ("csv", "md", "tex", "html", "json")}),
    "report": Rule("report", {"html": "report.html"}, flag="--up-to-date"),
}
"""Every kind of job, in the order of the pipeline."""

SHARED = frozenset({"train", "sample", "sample_shard", "features", "dataset_features", "reference_features"})
"""Rules whose jobs can run in several processes."""


@dataclass(frozen=True)
class Job:
    """One call of a verb.

    Attributes:
        rule: Its kind, a key of `RULES`.
        key: The key of its artifact; "" if the rule has only one job.
        root: The results folder.
        inputs: The artifacts that it reads, by name; a slash parts a kind from a key, as in "metrics/scale-2".
        sections: What it reads of the params file, by name: sections, or plain values.
        threads: Of each of its processes.
        shard: Which part of a run, as "3-of-8"; "" for all that is not cut.
    """

    rule: str
    key: str
    root: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    shard: str = ""

    @property
    def verb(self) -> str:
        """The stage that executes it."""
        return RULES[self.rule].verb

    @property
    def stage(self) -> str:
        """The stage that its outputs name as their maker."""
        return RULES[self.rule].stage

    @property
    def argument(self) -> str:
        """Its key on the command line."""
        return f"{RULES[self.rule].prefix}{self.key}"

    @property
    def command(self) -> list[str]:
        """The words of the command line, without the params file."""
        shard = ["--shard", self.shard] if self.shard else []
        return [self.verb.replace("_", "-"), *filter(None, [self.argument, RULES[self.rule].flag]), *shard]

    @property
    def name(self) -> str:
        """Its name in messages and logs: `train/adm-128-250`, `sample_shard/scale-2/3-of-8`."""
        return "/".join(filter(None, [self.rule, self.key, self.shard]))

    @property
    def outputs(self) -> dict[str, Path]:
        """The paths that it writes, by name."""
        patterns = RULES[self.rule].outputs
        return {name: self.root / path.format(key=self.key, shard=self.shard) for name, path in patterns.items()}

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
        found: dict[str, dict[str, Path]] = {}
        for name, path in self.inputs.items():
            kind, _, key = name.partition("/")
            found.setdefault(kind, {})[key] = path
        return found

    @property
    def code(self) -> str:
        """The digest of its stage's code, with the rows of registries that its sections name."""
        return code_digest(self.stage, tuple(rows_in(self.sections)))

    @property
    def code_of_record(self) -> str:
        """The digest that stands for its code."""
        return code_of_record(self.stage, self.code)

    @property
    def values(self) -> dict[str, Any]:
        """The values that it reads from the params file, as plain values, without those equal to their defaults."""
        return {name: _plain(section) for name, section in self.sections.items()}

    @property
    def triggers(self) -> dict[str, Any]:
        """What has it run again, beside its inputs: its stage's code and what it reads of the params file."""
        return {"code": self.code_of_record, "params": self.values}


def _plain(content: Any) -> Any:
    if isinstance(content, Section):
        return content.values()
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items()}
    return content
