"""The part of a params file that a table, a figure or claims rest on."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adm.params.needs import Needs
from adm.params.published import PublishedSection
from adm.params.references import references
from adm.params.schema import Params, Sections
from adm.params.section import Section, count_key, parts
from adm.params.studies import NeighboursParams

Named = tuple[str, str]
"""What an entry is, "run" or "dataset" say, and its key."""


OF = {
    "checkpoints": "checkpoint",
    "models": "model",
    **dict.fromkeys(("runs", "scored"), "run"),
    "schedules": "study",
}
"""What a reference names, by its type, where tables, figures and claims read on from one entry to another."""

SECTIONS = {
    **dict.fromkeys(("runs", "upsampled_runs", "gan_runs"), "run"),
    **dict.fromkeys(("interpolations", "neighbours", "variations", "likelihoods", "schedules"), "study"),
    **{"datasets": "dataset", "extractors": "graph", "references": "reference", "throughput": "throughput"},
}
"""Sections whose entries are taken as they are, and what they are."""

PUBLISHED = {"samples": "run", "graphs": "graph"}
"""The same, of published files."""


def excerpt(params: Params, needs: Needs, runs: Iterable[str] = (), models: Iterable[str] = ()) -> Sections:
    """Take out the sections that some artifacts were made with, and all that these name.

    Of a model only the checkpoints stay that are named: another one that is kept changes no excerpt.

    Args:
        params: The whole.
        needs: The artifacts.
        runs: Further runs.
        models: Models with all of their checkpoints.
    """
    judged, whole = [parts(key) for key in needs.judged], list(models)
    waiting: list[Named] = [
        *(("run", run) for run in (*needs.metrics, *needs.samples, *runs, *(run for run, _ in judged))),
        *(("graph", judge) for _, judge in judged),
        *(("dataset", key) for key in needs.data),
        *(("checkpoint", key) for key in needs.training),
        *(("study", key) for key in needs.studies),
        *(("throughput", key) for key in needs.throughput),
        *(("model", key) for key in whole),
    ]
    found: defaultdict[str, set[str]] = defaultdict(set)
    while waiting:
        kind, key = waiting.pop()
        if key not in found[kind]:
            found[kind].add(key)
            waiting += _named(params, kind, key)
    kept = {}
    for key in (key for key in params.models if key in found["model"]):
        stops = params.models[key].checkpoints
        named = [stop for stop in stops if key in whole or f"{key}-{count_key(stop)}" in found["checkpoint"]]
        kept[key] = params.models[key].model_copy(update={"checkpoints": named})
    sections: dict[str, Any] = {
        name: {key: entry for key, entry in getattr(params, name).items() if key in found[kind]}
        for name, kind in SECTIONS.items()
    }
    published: dict[str, Any] = {
        name: {key: entry for key, entry in getattr(params.published, name).items() if key in found[kind]}
        for name, kind in PUBLISHED.items()
    }
    # The last iteration of an adopted model is that of its checkpoints.
    adopted = {
        key: entry
        for key, entry in params.published.checkpoints.items()
        if key in found["checkpoint"] or entry.model in whole
    }
    groups = {key: members for key, members in params.groups.items() if found["run"].issuperset(members)}
    whole_section = PublishedSection.model_construct(checkpoints=adopted, **published)
    return Sections.model_construct(models=kept, published=whole_section, groups=groups, **sections)


def _named(params: Params, kind: str, key: str) -> Iterator[Named]:
    """What an entry names."""
    if kind == "checkpoint":
        yield "model", params.model_of(key)
        return
    entries: dict[str, Mapping[str, Section]] = {
        **{"run": params.scored, "study": params.studies, "throughput": params.throughput},
    }
    entry = entries.get(kind, {}).get(key)
    if isinstance(entry, NeighboursParams):  # whose images are of its run's reference
        yield "reference", params.scored[entry.run].reference
    if entry is not None:
        yield from ((OF[named.ref.of], named.key) for named in references(type(entry), entry) if named.ref.of in OF)
