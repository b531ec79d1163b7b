"""Scores of samples, printed for a terminal."""

from typing import Any

import numpy as np
from tabulate import tabulate

from adm.config.metrics import METRICS

SECOND = {
    "frechet_distance": "Fréchet distance",
    "kernel_distance": "Kernel distance",
    "density": METRICS["density"].label,
    "coverage": METRICS["coverage"].label,
    "precision": METRICS["precision"].label,
    "recall": METRICS["recall"].label,
}
"""Printed names of metrics from a second extractor's features."""


def print_scores(title: str, report: dict[str, Any]) -> None:
    """Print the results of `adm score`.

    Args:
        title: Names of the samples and of the reference.
        report: The report as it is written: metrics and all other requested results.
    """
    metrics, intervals = report["metrics"], report.get("intervals", {})
    columns = [name for name in METRICS if name in metrics]
    rows = [["", *(f"{metrics[name]:.4f}" for name in columns)]]
    if intervals:
        ends = [intervals.get(name) for name in columns]
        rows.append(["95 %", *("" if pair is None else f"{pair[0]:.4f} to {pair[1]:.4f}" for pair in ends)])
    print(f"{title}: {report['provenance']['samples']['num_images']} samples")
    print(tabulate(rows, ["", *(METRICS[name].label for name in columns)], tablefmt="github", disable_numparse=True))
    labels = {name: metric.label for name, metric in METRICS.items()}
    _print_further("further", report.get("further", {}), labels)
    _print_further("second extractor", report.get("second_extractor", {}), SECOND)
    _print_classes([found for found in report.get("per_class", {}).values() if found])
    for warning in report["warnings"]:
        print(f"warning: {warning}")


def _print_further(title: str, found: dict[str, Any], labels: dict[str, str]) -> None:
    rows = [
        [title, label, f"{found[name]:.5g}", _error(found.get(_error_of(name)))]
        for name, label in labels.items()
        if found.get(name) is not None
    ]
    if rows:
        print(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _error_of(name: str) -> str:
    return (METRICS[name].error if name in METRICS else None) or f"{name}_standard_error"


def _error(value: float | None) -> str:
    return "" if value is None else f"± {value:.2g}"


def _print_classes(found: list[dict[str, float]]) -> None:
    if found:
        precision, recall = (float(np.mean([each[name] for each in found])) for name in ("precision", "recall"))
        print(f"per class: mean precision {precision:.4f}, mean recall {recall:.4f} of {len(found)} classes")
