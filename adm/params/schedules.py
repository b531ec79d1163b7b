"""Sections of schedules that are found: by the variational bound, or by a search on FID."""

from typing import Annotated, Literal

from pydantic import Field

from adm.config.base import PositiveInt, Seed
from adm.config.sampling import Steps, Variational
from adm.params.references import DiffusionRun
from adm.params.section import Section
from adm.params.studies import BoundParams


class VariationalParams(BoundParams, Variational):
    """The schedules of every number of steps with the least variational bound.

    They are chosen among the timesteps of `among`, or among all T if it is null.
    """

    kind: Literal["variational"]


class SearchParams(Section):
    """The schedule with the least FID of some that divide a run's number of steps among equal `sections`.

    The `known` schedules take part, and others drawn by the seed, together `candidates`. All are sampled as the run is,
    with the same seeds, from `seed` on. Round by round a quarter of them stays, scored on four times as many images, at
    last on `num_samples`. Runs that take the schedule need other seeds, else the search would judge itself.
    """

    kind: Literal["search"]
    run: DiffusionRun
    sections: Annotated[int, Field(ge=1, le=5)] = 5
    known: list[Steps] = []
    candidates: PositiveInt = 16
    num_samples: Annotated[int, Field(ge=4)]
    seed: Seed = 2_000_000_000
    threads: PositiveInt = 1


AnyScheduleParams = VariationalParams | SearchParams

ScheduleParams = Annotated[AnyScheduleParams, Field(discriminator="kind")]
