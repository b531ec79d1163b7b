"""`score`: Inception Score, FID, sFID, precision and recall of samples, or of a network, against a reference."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tabulate import tabulate

from adm.artifacts.manifest import identity
from adm.artifacts.released_files import placed
from adm.artifacts.writing import new_file, write_json
from adm.config.data import GraphParams
from adm.config.metrics import METRICS
from adm.data.images import is_network
from adm.errors import UserError
from adm.evaluation import Options, measure
from adm.metrics.protocols import EVALUATOR
from adm.nets.opening import open_network
from adm.sampling.batch import SAMPLES
from adm.tools import generate

ENOUGH = 2000
"""Images of a network that are scored if no number is given; FID says little of fewer."""

EQUALLY_OFTEN = "classes are drawn equally often; if those of the reference are not, FID counts that, too"


def run(
    samples: Path,
    reference: Path,
    graph: Path,
    params: GraphParams,
    options: Options,
    out: Path | None,
) -> None:
    """Score samples, print the metrics, and write them with their provenance; the arguments are those of `measure`.

    `samples` may be a network, too, of which images are drawn as it is best sampled; `options.cache` keeps them.

    Raises:
        UserError: As `measure`, or `out` cannot be written. Nothing is written.
    """
    for place in (reference, graph):
        if not placed(place).exists():
            raise UserError(f"{place}: does not exist")
    samples = placed(samples)
    report = (_drawn if is_network(samples) else measure)(samples, reference, graph, params, options)
    _print_scores(f"{samples.name} against {reference.name}", report)
    if out is not None:
        with new_file(out) as path:
            write_json(path, report)


def _drawn(network: Path, reference: Path, graph: Path, params: GraphParams, options: Options) -> dict[str, Any]:
    side, num = open_network(network).model.network.image_size, options.num_samples or ENOUGH
    call = {"num": num, "device": options.device, "threads": params.threads}

    def draw() -> Path:
        generate.run(generate.call_of(str(network.absolute()), call), place)
        return place / SAMPLES

    with TemporaryDirectory(prefix="images-to-score-") as folder:
        place = (options.cache or Path(folder)) / f"{identity(network)[:16]}-{num}-{options.device}-{params.threads}"
        blank = np.broadcast_to(np.uint8(0), (num, side, side, 3))
        report = measure(blank, reference, graph, params, options, draw)
        with np.load(place / SAMPLES) as arrays:
            report["warnings"] += [EQUALLY_OFTEN] if "arr_1" in arrays else []
    report["provenance"]["network"] = identity(network)
    return report


def _print_scores(title: str, report: dict[str, Any]) -> None:
    numbers, ends = report["metrics"] | report.get("further", {}), report.get("intervals", {})
    rows = []
    for name, metric in METRICS.items():
        if numbers.get(name) is not None:
            error = numbers.get(str(metric.error))
            spread = "" if error is None else f"± {error:.2g}"
            if ends.get(name):
                spread = "{:.6g} to {:.6g}".format(*ends[name])
            rows.append([metric.label, f"{numbers[name]:.6g}", spread])
    protocol = report["provenance"]["graph"]["protocol"]
    title += "" if protocol == EVALUATOR else f", as {protocol} computes it"
    print(f"{title}: {report['provenance']['samples']['num_images']} samples")
    print(tabulate(rows, ["Metric", "Score", "95 %, or standard error"], "github", disable_numparse=True))
    if "expected" in report:
        _print_expected(report["expected"], numbers["fid"])
    for warning in report["warnings"]:
        print(f"warning: {warning}")


def _print_expected(expected: dict[str, Any], fid: float) -> None:
    told, away = expected["fid"], expected["fid"] - fid
    where = "within" if expected["within"] else "above" if away > 0 else "below"
    draws = f"{expected['low']:.4f} to {expected['high']:.4f}"
    print(f"\nAnother draw of samples has an FID of {draws} (95 %). {told:g}, which is expected, lies {where} that,")
    print(f"{away:+.4f} from this FID. What moves this FID:\n")
    rows = [
        [what, f"± {change:.4f}"] if moved is None else [what, f"{change:+.4f}", f"{moved:.4f}"]
        for what, moved, change in (move.values() for move in expected["moves"])
    ]
    print(
        tabulate(rows, ["What", "Change", "To"], "github", disable_numparse=True, colalign=("left", "right", "right"))
    )
