"""Every kind of job, in the order of the pipeline: this package's, and those that packages beside it declare.

A package declares a kind by an entry point of the group `adm.kinds`, which names an `adm.pipeline.Kind`.
"""

from functools import cache

from adm.errors import UserError
from adm.params.schema import GROUP, declared
from adm.pipeline import data, report, sampling, scoring, studies, training
from adm.pipeline.jobs import Kind


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by its name.

    Raises:
        UserError: Two have one name, or a package's cannot be loaded.
    """
    own = [kind for chapter in (data, training, sampling, scoring, studies, report) for kind in chapter.KINDS]
    found: dict[str, Kind] = {}
    for kind in [*own, *declared()]:
        if kind.name in found:
            raise UserError(f"{GROUP}: two packages declare a kind of job {kind.name!r}; uninstall one")
        found[kind.name] = kind
    return found
