"""Every kind of job, in the order of the pipeline: this package's, and those that packages beside it declare.

A package declares a kind by an entry point of the group `adm.kinds`, which names an `adm.pipeline.Kind`.
"""

from importlib.metadata import entry_points

from adm.params.errors import UserError
from adm.pipeline import data, report, sampling, scoring, studies, training
from adm.pipeline.jobs import Kind

GROUP = "adm.kinds"
"""The group of entry points."""


def _declared() -> list[Kind]:
    own = [kind for chapter in (data, training, sampling, scoring, studies, report) for kind in chapter.KINDS]
    return [*own, *(point.load() for point in entry_points(group=GROUP))]


def _by_name(kinds: list[Kind]) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for kind in kinds:
        if kind.name in found:
            raise UserError(f"{GROUP}: two packages declare a kind {kind.name!r}; rename one")
        found[kind.name] = kind
    return found


KINDS = _by_name(_declared())
"""By name."""
