"""What a stage is handed: each parameter of its function, looked up by its name.

This module is part of every stage's code: another meaning of a name has all that takes it run again.
"""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any


def arguments(stage: Callable[..., None], job: Any, environment: Any) -> dict[str, Any]:
    """Look up what a stage's function takes.

    A parameter has the name of a section that the job reads, of an input, or of an output; of `out`, the path that it
    writes, of `work`, the folder of its intermediate state, or of `key`, its key; `inputs` are
    all of them, and `artifacts` the same by kind and key. Any other name is that of an attribute of the environment. A
    section that the job, an `adm.pipeline.Job`, does not read is the parameter's default, or None. No result depends on
    the environment, but how often logs tell of it: the device, say.
    """
    own = {
        **{name: getattr(job, name) for name in ("out", "work", "key")},
        **{"inputs": dict(job.inputs), "artifacts": job.artifacts},
    }
    places = (job.sections, job.inputs, job.outputs, own)
    taken: dict[str, Any] = {}
    for name, parameter in signature(stage).parameters.items():
        place = next((place for place in places if name in place), None)
        if place is not None:
            taken[name] = place[name]
        elif hasattr(environment, name):
            taken[name] = getattr(environment, name)
        else:
            taken[name] = None if parameter.default is Parameter.empty else parameter.default
    return taken
