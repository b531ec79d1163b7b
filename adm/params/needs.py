"""What each table, figure and group of claims is made from: keys of artifacts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

from pydantic import BaseModel

from adm.params.claims import RanksAlikeClaim, grouped
from adm.params.configurations import told_apart_by_schedules
from adm.params.figures import AblationsParams, NeighboursFigureParams, SchedulesFigureParams
from adm.params.references import Read, keys_in, keys_read, references
from adm.params.schema import Params, Sections
from adm.params.section import judged
from adm.params.tables import OwnTableParams


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
        """Kinds and keys; the file of sizes has the key ""."""
        for each in fields(self):
            keys = getattr(self, each.name)
            yield each.name, ([""] if keys else []) if each.name == "sizes" else keys


def needs_of(params: Sections, *shown: BaseModel) -> Needs:
    """The artifacts that the references of tables, figures or claims name; of groups, those of their members."""
    found = [named for one in shown for named in references(type(one), one)]

    def named(read: Read) -> list[str]:
        return keys_in(one.key for one in found if read in one.ref.reads)

    opinions = (
        judged(run, judge) for one in shown for group, judge in opinions_in(one) for run in params.members(group)
    )
    return Needs(
        metrics=members_of(params, named("metrics")),
        judged=keys_in(opinions),
        samples=named("samples"),
        data=named("data"),
        studies=named("studies"),
        throughput=named("throughput"),
        sizes=bool(named("sizes")),
    )


def opinions_in(shown: BaseModel) -> list[tuple[str, str]]:
    """The runs that a table or a claim has scored by judges, each with the judge."""
    judges: list[str] = []
    if isinstance(shown, OwnTableParams):
        judges = shown.judges
    elif isinstance(shown, RanksAlikeClaim):
        judges = [shown.judge]
    return [(run, judge) for judge in judges for run in keys_read(shown, "metrics")]


def needs_of_table(params: Params, table: str) -> Needs:
    """The artifacts that a table is made from."""
    return needs_of(params, params.tables[table])


def needs_of_figure(params: Params, figure: str) -> Needs:
    """The artifacts that a figure is made from."""
    shown = params.figures[figure]
    needs = needs_of(params, shown)
    if isinstance(shown, AblationsParams):
        if shown.x == "flops":
            return replace(needs, sizes=True)
        checkpoints = [params.checkpoint_of(run) for run in keys_read(shown, "metrics")]
        return replace(needs, training=keys_in(step for point in checkpoints for step in params.chain(point)))
    if isinstance(shown, NeighboursFigureParams):
        return replace(
            needs,
            samples=keys_in(params.neighbours[study].run for study in needs.studies),
            data=keys_in(neighbours_dataset(params, study) for study in needs.studies),
        )
    if isinstance(shown, SchedulesFigureParams):
        visited = (params.runs[run].schedule for run in shown.runs.values())
        return replace(needs, studies=keys_in([*needs.studies, *visited]))
    return needs


def needs_of_claims(params: Params, group: str) -> Needs:
    """What the claims of a group are tested on."""
    claims = grouped(params.claims)[group].values()
    pairs = [pair for claim in claims for pair in told_apart_by_schedules(params, claim)]
    found = [getattr(params.section_of(run), "schedule", None) for pair in pairs for run in pair]
    needs = needs_of(params, *claims)
    return replace(needs, studies=keys_in([*needs.studies, *found]))


def neighbours_dataset(params: Sections, study: str) -> str:
    """The dataset in which a study looks for neighbours: that of its run's reference."""
    return params.references[params.scored[params.neighbours[study].run].reference].dataset


def members_of(params: Sections, keys: Iterable[str]) -> list[str]:
    """The runs that keys of runs and of groups name, without repetition."""
    return keys_in(run for key in keys for run in params.members(key))
