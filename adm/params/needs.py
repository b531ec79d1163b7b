"""What each table, figure and group of claims is made from, looked up in a params file: keys of artifacts."""

from collections.abc import Iterable
from dataclasses import replace

from adm.params.claims import grouped, needs_of
from adm.params.configurations import told_apart_by_schedules
from adm.params.figures import AblationsParams, NeighboursFigureParams, SchedulesFigureParams
from adm.params.judges import judged, parts
from adm.params.schema import Params, Sections
from adm.params.sources import Needs, keys_in


def needs_of_table(params: Params, table: str) -> Needs:
    """The artifacts that a table is made from."""
    return of_members(params, params.tables[table].needs())


def needs_of_figure(params: Params, figure: str) -> Needs:
    """The artifacts that a figure is made from."""
    shown = params.figures[figure]
    if isinstance(shown, AblationsParams):
        runs = shown.runs()
        if shown.x == "flops":
            return of_members(params, Needs(metrics=runs, sizes=True))
        checkpoints = [params.checkpoint_of(run) for run in runs]
        training = keys_in(step for point in checkpoints for step in params.chain(point))
        return of_members(params, Needs(metrics=runs, training=training))
    if isinstance(shown, NeighboursFigureParams):
        studies = keys_in(shown.blocks.values())
        return Needs(
            studies=studies,
            samples=keys_in(params.neighbours[study].run for study in studies),
            data=keys_in(neighbours_dataset(params, study) for study in studies),
        )
    if isinstance(shown, SchedulesFigureParams):
        found = [params.runs[run].schedule for run in shown.runs.values() if run in params.runs]
        return Needs(studies=keys_in([shown.study, *filter(None, found)]))
    return of_members(params, shown.needs())


def needs_of_claims(params: Params, group: str) -> Needs:
    """What the claims of a group are tested on."""
    claims = grouped(params.claims)[group].values()
    pairs = [pair for claim in claims for pair in told_apart_by_schedules(params, claim)]
    found = [getattr(params.section_of(run), "schedule", None) for pair in pairs for run in pair]
    needs = needs_of(claims)
    return of_members(params, replace(needs, studies=keys_in([*needs.studies, *filter(None, found)])))


def neighbours_dataset(params: Sections, study: str) -> str:
    """The dataset in which a study looks for neighbours: that of its run's reference."""
    return params.references[params.scored[params.neighbours[study].run].reference].dataset


def of_members(params: Params, needs: Needs) -> Needs:
    """Needs in which the members of groups of runs stand for the groups."""
    opinions = [judged(run, judge) for key, judge in map(parts, needs.judged) for run in members_of(params, [key])]
    return replace(needs, metrics=members_of(params, needs.metrics), judged=opinions)


def members_of(params: Sections, keys: Iterable[str]) -> list[str]:
    """The runs that keys of runs and of groups name, without repetition."""
    return keys_in(run for key in keys for run in params.members(key))
