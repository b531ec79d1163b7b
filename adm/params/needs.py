"""What each table, figure and group of claims is made from: keys of artifacts, and the part of the params file."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from adm.params.claims import RanksAlikeClaim
from adm.params.data import PublishedSection
from adm.params.figures import AblationsParams, NeighboursFigureParams
from adm.params.references import Read, keys_in, keys_read, references
from adm.params.schema import Params, Sections
from adm.params.section import Section, count_key, judged, parts
from adm.params.studies import NeighboursParams


@dataclass(frozen=True)
class Needs:
    """Keys of the artifacts that a table, a figure or claims are made from, by their kind; `sizes` is one file."""

    metrics: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    throughput: list[str] = field(default_factory=list)
    sizes: bool = False

    def items(self) -> Iterator[tuple[str, list[str]]]:
        """Give kinds and keys; the file of sizes has the key ""."""
        yield from {**vars(self), "sizes": [""] if self.sizes else []}.items()


def needs_of(params: Sections, *exhibits: BaseModel) -> Needs:
    """Give the artifacts that tables, figures or claims are made from; of groups, those of their members."""
    refs = [named for one in exhibits for named in references(type(one), one)]

    def named(read: Read) -> list[str]:
        return keys_in(one.key for one in refs if read in one.ref.reads)

    opinions = (
        judged(run, judge) for one in exhibits for group, judge in opinions_in(one) for run in params.members(group)
    )
    needs = Needs(
        metrics=members_of(params, named("metrics")),
        judged=keys_in(opinions),
        samples=named("samples"),
        data=named("data"),
        studies=named("studies"),
        throughput=named("throughput"),
        sizes=bool(named("sizes")),
    )
    for one in exhibits:
        needs = _completed(params, one, needs)
    return needs


def opinions_in(exhibit: BaseModel) -> list[tuple[str, str]]:
    """Give the runs that a table or a claim has scored by judges, each with the judge."""
    judges = [exhibit.judge] if isinstance(exhibit, RanksAlikeClaim) else getattr(exhibit, "judges", [])
    return [(run, judge) for judge in judges for run in keys_read(exhibit, "metrics")]


def _completed(params: Sections, exhibit: BaseModel, needs: Needs) -> Needs:
    """Add what no reference of a figure names."""
    if isinstance(exhibit, AblationsParams):
        if exhibit.x == "evaluations":
            return needs
        if exhibit.x == "flops":
            return replace(needs, sizes=True)
        checkpoints = [params.checkpoint_of(run) for run in keys_read(exhibit, "metrics")]
        return replace(needs, training=keys_in(step for point in checkpoints for step in params.chain(point)))
    if isinstance(exhibit, NeighboursFigureParams):
        return replace(
            needs,
            samples=keys_in(params.neighbours[study].run for study in needs.studies),
            data=keys_in(neighbours_dataset(params, study) for study in needs.studies),
        )
    return needs


def neighbours_dataset(params: Sections, study: str) -> str:
    """Give the dataset in which a study looks for neighbours: that of its run's reference."""
    return params.references[params.scored[params.neighbours[study].run].reference].dataset


def members_of(params: Sections, keys: Iterable[str]) -> list[str]:
    """Give the runs that keys of runs and of groups name, without repetition."""
    return keys_in(run for key in keys for run in params.members(key))


OF = {
    "checkpoints": "checkpoint",
    "models": "model",
    **dict.fromkeys(("runs", "scored"), "run"),
}
"""Kind of what a reference names, by its type, where tables, figures and claims read on from one entry to another."""

SECTIONS = {
    **dict.fromkeys(("runs", "upsampled_runs", "gan_runs"), "run"),
    **dict.fromkeys(("interpolations", "neighbours", "likelihoods"), "study"),
    **{"datasets": "dataset", "extractors": "graph", "references": "reference", "throughput": "throughput"},
}
"""Sections whose entries are taken as they are, and what they are."""

PUBLISHED = {"samples": "run", "graphs": "graph"}
"""The same, of published files."""


def excerpt(params: Params, needs: Needs, models: Iterable[str] = ()) -> Sections:
    """Take out the sections that some artifacts were made with, and all that these name.

    Of a model only the checkpoints stay that are named: another one that is kept changes no excerpt.

    Args:
        params: The whole.
        needs: The artifacts.
        models: Models with all of their checkpoints.
    """
    opinions, whole = [parts(key) for key in needs.judged], list(models)
    waiting = [
        *(("run", run) for run in (*needs.metrics, *needs.samples, *(run for run, _ in opinions))),
        *(("graph", judge) for _, judge in opinions),
        *(("dataset", key) for key in needs.data),
        *(("checkpoint", key) for key in needs.training),
        *(("study", key) for key in needs.studies),
        *(("throughput", key) for key in needs.throughput),
        *(("model", key) for key in whole),
    ]
    reached: defaultdict[str, set[str]] = defaultdict(set)
    while waiting:
        kind, key = waiting.pop()
        if key not in reached[kind]:
            reached[kind].add(key)
            waiting += _named(params, kind, key)
    kept = {}
    for key in (key for key in params.models if key in reached["model"]):
        stops = params.models[key].checkpoints
        named = [stop for stop in stops if key in whole or f"{key}-{count_key(stop)}" in reached["checkpoint"]]
        kept[key] = params.models[key].model_copy(update={"checkpoints": named})

    def taken(sections: Section, kinds: dict[str, str]) -> dict[str, Any]:
        return {
            name: {key: entry for key, entry in getattr(sections, name).items() if key in reached[kind]}
            for name, kind in kinds.items()
        }

    # The last iteration of an adopted model is that of its checkpoints.
    adopted = {
        key: entry
        for key, entry in params.published.checkpoints.items()
        if key in reached["checkpoint"] or entry.model in whole
    }
    groups = {key: members for key, members in params.groups.items() if reached["run"].issuperset(members)}
    published = PublishedSection.model_construct(checkpoints=adopted, **taken(params.published, PUBLISHED))
    return Sections.model_construct(models=kept, published=published, groups=groups, **taken(params, SECTIONS))


def _named(params: Params, kind: str, key: str) -> Iterator[tuple[str, str]]:
    """Tell what an entry names: what each is, and its key."""
    if kind == "checkpoint":
        yield "model", params.model_of(key)
    entries: dict[str, Mapping[str, Section]]
    entries = {"run": params.scored, "study": params.studies, "throughput": params.throughput}
    entry = entries.get(kind, {}).get(key)
    if isinstance(entry, NeighboursParams):  # whose images are of its run's reference
        yield "reference", params.scored[entry.run].reference
    if entry is not None:
        yield from ((OF[named.ref.of], named.key) for named in references(type(entry), entry) if named.ref.of in OF)
