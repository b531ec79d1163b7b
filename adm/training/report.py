"""What a step of any training reports."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What a step measured: `step` counts the updates made so far, `values` are means over the batch."""

    step: int
    values: Mapping[str, float]
