"""Sections of timings."""

from adm.config.throughput import Throughput
from adm.params.references import Model
from adm.params.section import Section


class ThroughputParams(Section, Throughput):
    """How fast a model trains, with a naive and an optimised implementation in turns (Table 7).

    Each of the `repetitions` times `steps` updates of both. The naive implementation always uses float32. `device` is
    what computes: it is what is measured, so it stands here and not under `resources`.
    """

    model: Model
