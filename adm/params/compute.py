"""Sections of what is timed."""

from adm.params.models import Precision
from adm.params.section import Key, PositiveInt, Section


class ThroughputParams(Section):
    """How fast a model trains: a naive and an optimised implementation, in turn (Table 7).

    Each of the `repetitions` times `steps` updates of either. The naive one is in float32 always.
    """

    model: Key
    naive_batch: PositiveInt
    optimised_batch: PositiveInt
    optimised_precision: Precision = "float32"
    steps: PositiveInt = 5
    repetitions: PositiveInt = 5
    threads: PositiveInt = 1
