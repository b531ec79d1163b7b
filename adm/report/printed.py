"""Scores of samples, printed for a terminal."""

from typing import Any

import numpy as np
from tabulate import tabulate

from adm.report.tables import HEADINGS

FURTHER = {
    "kid": "KID",
    "density": "Density",
    "coverage": "Coverage",
    "fid_infinity": "FID-infinity",
    "frechet_distance": "Fréchet distance",
    "kernel_distance": "Kernel distance",
    "precision": "Precision",
    "recall": "Recall",
}


def print_scores(title: str, report: dict[str, Any]) -> None:
    """Print what `adm score` found.

    Args:
        title: What was scored against what.
        report: As it is written: metrics, and what was asked for beside them.
    """
    metrics, intervals = report["metrics"], report.get("intervals", {})
    columns = [name for name in HEADINGS if name in metrics]
    rows = [["", *(f"{metrics[name]:.4f}" for name in columns)]]
    if intervals:
        ends = [intervals.get(name) for name in columns]
        rows.append(["95 %", *("" if pair is None else f"{pair[0]:.4f} to {pair[1]:.4f}" for pair in ends)])
    print(f"{title}: {report['provenance']['samples']['num_images']} samples")
    print(tabulate(rows, ["", *(HEADINGS[name] for name in columns)], tablefmt="github", disable_numparse=True))
    _print_further("further", report.get("further", {}))
    _print_further("second extractor", report.get("second_extractor", {}))
    _print_classes([found for found in report.get("per_class", {}).values() if found])
    for warning in report["warnings"]:
        print(f"warning: {warning}")


def _print_further(title: str, found: dict[str, Any]) -> None:
    rows = [
        [title, FURTHER[name], f"{found[name]:.5g}", _error(found.get(f"{name}_standard_error"))]
        for name in FURTHER
        if name in found
    ]
    if rows:
        print(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _error(value: float | None) -> str:
    return "" if value is None else f"± {value:.2g}"


def _print_classes(found: list[dict[str, float]]) -> None:
    if found:
        precision, recall = (float(np.mean([each[name] for each in found])) for name in ("precision", "recall"))
        print(f"per class: mean precision {precision:.4f}, mean recall {recall:.4f} of {len(found)} classes")
