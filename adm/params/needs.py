"""What each table, figure and group of claims is made from: keys of artifacts, and the part of the params file."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel

from adm.params.claims import RanksAlikeClaim
from adm.params.data import PublishedSection
from adm.params.figures import AblationsParams, NeighboursFigureParams
from adm.params.references import Read, keys_in, keys_read, references
from adm.params.runs import NeighboursParams
from adm.params.schema import Params, Sections
from adm.params.section import Section, count_key, judged

Need = Read | Literal["judged", "training"]
Needs = dict[Need, list[str]]
"""Keys of the artifacts that a table, a figure or claims are made from, by kind; `sizes` is one file, of key ""."""


def needs_of(params: Sections, *exhibits: BaseModel) -> Needs:
    """Give the artifacts that tables, figures or claims are made from; of groups, those of their members."""
    refs = [named for one in exhibits for named in references(type(one), one)]

    def named(read: Read) -> list[str]:
        return keys_in(one.key for one in refs if read in one.ref.reads)

    def took(x: str) -> list[str]:
        ablations = (one for one in exhibits if isinstance(one, AblationsParams) and one.x == x)
        return [params.checkpoint_of(run) for one in ablations for run in keys_read(one, "metrics")]

    opinions = (
        judged(run, judge) for one in exhibits for group, judge in opinions_in(one) for run in params.members(group)
    )
    # What no reference names: the images of neighbours, and what training took.
    shown = [study for one in exhibits if isinstance(one, NeighboursFigureParams) for study in one.blocks.values()]
    return {
        "metrics": members_of(params, named("metrics")),
        "judged": keys_in(opinions),
        "samples": keys_in([*named("samples"), *(params.neighbours[study].run for study in shown)]),
        "data": keys_in([*named("data"), *(neighbours_dataset(params, study) for study in shown)]),
        "training": keys_in(step for point in took("seconds") for step in params.chain(point)),
        "studies": named("studies"),
        "throughput": named("throughput"),
        "sizes": [""] if named("sizes") or took("flops") else [],
    }


def opinions_in(exhibit: BaseModel) -> list[tuple[str, str]]:
    """Give the runs that a table or a claim has scored by judges, each with the judge."""
    judges = [exhibit.judge] if isinstance(exhibit, RanksAlikeClaim) else getattr(exhibit, "judges", [])
    return [(run, judge) for judge in judges for run in keys_read(exhibit, "metrics")]


def neighbours_dataset(params: Sections, study: str) -> str:
    """Give the dataset in which a study looks for neighbours: that of its run's reference."""
    return params.references[params.scored[params.neighbours[study].run].reference].dataset


def members_of(params: Sections, keys: Iterable[str]) -> list[str]:
    """Give the runs that keys of runs and of groups name, without repetition."""
    return keys_in(run for key in keys for run in params.members(key))


FOLLOWED = frozenset({"checkpoints", "models", "runs", "scored"})
"""What tables, figures and claims read on to from one entry to another, by what references are to."""


def excerpt(params: Params, needs: Needs, *exhibits: BaseModel) -> Sections:
    """Take out the sections that tables, figures or claims name, and all that these name.

    Of a model only the checkpoints stay that are named, unless its size is asked for: another one that is kept changes
    no excerpt.

    Args:
        params: The whole.
        needs: The artifacts that they are made from.
        exhibits: The tables, figures or claims.
    """
    refs = [named for one in exhibits for named in references(type(one), one)]
    whole = {named.key for named in refs if named.ref.of == "models" and "sizes" in named.ref.reads}
    # What nothing is read of is taken without what it names.
    entries = {id(getattr(params, one.ref.of)[one.key]) for one in refs if not one.ref.reads}
    read = [one for one in refs if one.ref.reads]
    waiting = [
        *((one.ref.of, key) for one in read for key in (params.members(one.key) if one.ref.groups else [one.key])),
        *(("datasets", key) for key in needs["data"]),
        *(("checkpoints", key) for key in needs["training"]),
    ]
    reached = set[tuple[str, str]]()
    while waiting:
        of, key = waiting.pop()
        if (of, key) in reached:
            continue
        reached.add((of, key))
        if of == "checkpoints":
            waiting.append(("models", params.model_of(key)))
            if start := getattr(params.models[params.model_of(key)], "start", None):
                waiting.append(("checkpoints", start.checkpoint))
        elif of != "models":
            entry = getattr(params, of)[key]
            entries.add(id(entry))
            waiting += [(one.ref.of, one.key) for one in references(type(entry), entry) if one.ref.of in FOLLOWED]
            if isinstance(entry, NeighboursParams):  # whose images are of its run's reference
                waiting.append(("all_references", params.scored[entry.run].reference))

    def taken(sections: Section, names: Iterable[str]) -> dict[str, Any]:
        return {
            name: {key: entry for key, entry in getattr(sections, name).items() if id(entry) in entries}
            for name in names
        }

    models = {}
    for key in (key for key in params.models if ("models", key) in reached):
        stops = params.models[key].checkpoints
        named = [stop for stop in stops if key in whole or ("checkpoints", f"{key}-{count_key(stop)}") in reached]
        models[key] = params.models[key].model_copy(update={"checkpoints": named})
    # The last iteration of an adopted model is that of its checkpoints.
    adopted = {
        key: entry
        for key, entry in params.published.checkpoints.items()
        if ("checkpoints", key) in reached or entry.model in whole
    }
    published = PublishedSection.model_construct(checkpoints=adopted, **taken(params.published, ("samples", "graphs")))
    others = taken(params, Sections.model_fields.keys() - {"models", "published", "groups"})
    scored = {*published.samples, *others["runs"], *others["upsampled_runs"], *others["gan_runs"]}
    groups = {key: members for key, members in params.groups.items() if scored.issuperset(members)}
    return Sections.model_construct(models=models, published=published, groups=groups, **others)
