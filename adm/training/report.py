"""The report of a training step."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """Measurements of a step: `step` is the number of updates made so far, `values` are means over the batch."""

    step: int
    values: Mapping[str, float]
