"""The registry of metrics: a new metric needs an entry here and a function."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, WithJsonSchema

from adm.config.base import Config
from adm.config.registry import OneOf, Registry

Need = Literal["pool", "spatial", "logits", "real", "pool_statistics", "spatial_statistics", "held_out"]
"""Inputs of metrics: features of the samples by layer, pooled features of the reference's images ("real"), statistics
of the reference's features, and pooled features of held-out images ("held_out")."""

RETRAINING = 3.2
"""The standard deviation of an FID over trainings, in those over draws of samples, at ImageNet's scale.

Source: Dufour et al. (2026), arXiv 2606.20536.
"""

FEWEST_FOR_INTERVALS = 8
"""Fewest samples of a run whose metrics have intervals: half of them are K + 1 = 4, which recall needs."""


@dataclass(frozen=True)
class Metric:
    """A metric, and how to print it.

    Attributes:
        label: Its name in print.
        better: Whether higher or lower is better, or the value without memorising, which is ideal.
        function: "module:function". The function takes `adm.metrics.scores.MetricInputs`. It returns a number, or None
            if there are too few samples; without `intervals`, a number and its standard error if `error` names one.
        needs: Its inputs. A metric that needs "real" or "held_out" is skipped if the reference has no such images.
        error: The name of its standard error, or None.
        digits: Significant digits in print (the standard error gets two); None prints two decimals, as the paper does.
        intervals: Whether it has intervals, which claims and error bars need: it is computed anew without parts of the
            samples. Its function then returns the number alone, and `error` is computed from these.
    """

    label: str
    better: Literal["lower", "higher", "0.5", "1"]
    function: str
    needs: tuple[Need, ...]
    error: str | None = None
    digits: int | None = None
    intervals: bool = False


METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "fid": Metric("FID", "lower", "adm.metrics.scores:fid", ("pool", "pool_statistics"), intervals=True),
        "sfid": Metric("sFID", "lower", "adm.metrics.scores:sfid", ("spatial", "spatial_statistics"), intervals=True),
        "inception_score": Metric("IS", "higher", "adm.metrics.scores:inception", ("logits",), intervals=True),
        "precision": Metric("Precision", "higher", "adm.metrics.scores:precision", ("pool", "real"), intervals=True),
        "recall": Metric("Recall", "higher", "adm.metrics.scores:recall", ("pool", "real"), intervals=True),
        "fid_infinity": Metric(
            "FID of infinitely many",
            "lower",
            "adm.metrics.scores:fid_infinity",
            ("pool", "pool_statistics", "real"),
            error="fid_infinity_standard_error",
            digits=3,
            intervals=True,
        ),
        "kid": Metric("KID", "lower", "adm.metrics.scores:kid", ("pool", "real"), "kid_standard_error", 3, True),
        "density": Metric(
            "Density", "higher", "adm.metrics.scores:density", ("pool", "real"), "density_standard_error", 3, True
        ),
        "coverage": Metric(
            "Coverage", "higher", "adm.metrics.scores:coverage", ("pool", "real"), "coverage_standard_error", None, True
        ),
        "fid_held_out": Metric("FID, held out", "lower", "adm.metrics.scores:fid_held_out", ("pool", "held_out")),
        "kid_held_out": Metric(
            "KID, held out", "lower", "adm.metrics.scores:kid_unseen", ("pool", "held_out"), "kid_unseen_error", 3, True
        ),
        "fid_floor": Metric("FID, real", "lower", "adm.metrics.scores:fid_floor", ("pool_statistics", "held_out")),
        "nearer": Metric(
            "Nearer to training",
            "0.5",
            "adm.metrics.memorising:nearer_to_training",
            ("pool", "real", "held_out"),
            error="nearer_standard_error",
            digits=2,
        ),
        "nearer_floor": Metric(
            "Nearer to training, real",
            "0.5",
            "adm.metrics.memorising:nearer_of_real",
            ("real", "held_out"),
            error="nearer_floor_standard_error",
            digits=2,
        ),
        "copies": Metric(
            "Copies", "lower", "adm.metrics.memorising:copies", ("pool", "real", "held_out"), "copies_error", 2
        ),
        "distance_ratio": Metric(
            "Distance ratio", "1", "adm.metrics.memorising:distance_ratio", ("pool", "real", "held_out")
        ),
    },
    always=(
        *("fid", "sfid", "inception_score", "precision", "recall", "fid_infinity", "kid", "density", "coverage"),
        *("fid_held_out", "fid_floor", "nearer", "nearer_floor", "distance_ratio"),
    ),
)
"""Every metric, in the order of printing: the paper's metrics first. Every run is scored by those that count `always`,
and by another one if a table, a figure or a claim asks for it."""

PAPER_METRICS = ("fid", "sfid", "inception_score", "precision", "recall")
"""The metrics of the paper's tables."""

POOLED = tuple(name for name, metric in METRICS.items() if not {"spatial", "logits", "held_out"} & set(metric.needs))
"""The metrics of pooled features and images alone, which any extractor gives: those of a judge."""


def _with_intervals(name: str) -> str:
    if not METRICS[name].intervals:
        accepted = ", ".join(key for key, metric in METRICS.items() if metric.intervals)
        raise ValueError(f"{name!r} has no intervals, which a claim needs; metrics that have are {accepted}")
    return name


MetricName = Annotated[str, OneOf(METRICS)]
"""The name of a metric."""

ClaimMetric = Annotated[
    str,
    OneOf(METRICS),
    AfterValidator(_with_intervals),
    WithJsonSchema({"enum": [name for name, metric in METRICS.items() if metric.intervals]}),
]
"""The name of a metric that a claim can be tested on."""


class AskedParams(Config):
    """Metrics of a run that a table, a figure or a claim asks for, beside those of every run."""

    metrics: list[MetricName]


def computed(asked: AskedParams | None, pooled: bool = False) -> list[str]:
    """Return the metrics that a run is scored by, in the order of printing.

    Args:
        asked: Those beside the ones of every run.
        pooled: Only those of pooled features and images, which a judge gives.
    """
    names = {*METRICS.always, *(asked.metrics if asked else ())}
    return [name for name in METRICS if name in names and (name in POOLED or not pooled)]
