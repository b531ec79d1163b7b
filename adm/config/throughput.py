"""Timings of training."""

from typing import Literal

from adm.config.base import Config, PositiveInt
from adm.config.models import Precision


class Throughput(Config):
    """How fast a model trains, with a naive and an optimised implementation in turns (Table 7).

    Each of the `repetitions` times `steps` updates of both. The naive implementation always uses float32. `device` is
    what computes: it is what is measured, so it stands here and not under `resources`.
    """

    naive_batch: PositiveInt
    optimised_batch: PositiveInt
    optimised_precision: Precision = "float32"
    steps: PositiveInt = 5
    repetitions: PositiveInt = 5
    threads: PositiveInt = 1
    device: Literal["cpu", "cuda"] = "cpu"
