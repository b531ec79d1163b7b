"""FID over the seconds that an image takes: samplers, their steps, and where guidance is used.

Run as `python -m benchmarks.front NETWORK fashion|digits|FOLDER --out FILE.csv`, where NETWORK and `--classifier` are
what `adm.load` takes, trained on those images. Each way to sample draws the same seeds, of classes as frequent as those
of the images, on one thread. A second is one of processor time. One judge, trained before on the same images, scores
all against held-out ones; an interval covers another draw of samples. A call that was stopped goes on with what is
missing.

`python -m benchmarks.front --show FILE.csv` prints all ways, the front of them in bold: those of which none is both
sooner and better. Beside each is its FID less that of `--fast` under the same guidance, whose samples have the same
seeds. What they have in common cancels in the interval.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import adm
from adm.config.samplers import fast
from adm.determinism import make_deterministic
from adm.metrics.frechet import distances_without, factor_of, frechet_distance
from adm.metrics.intervals import Block, Interval, block_of, t_interval
from adm.metrics.jackknife import jackknife, parts_of, sets_left_out
from adm.metrics.statistics import feature_statistics
from benchmarks.quality import existing
from benchmarks.short_training import features_of, judge_of, read

BATCH = 50
"""Images that are sampled together."""

FIELDS = ("way", "guidance", "seconds", "fid", "low", "high", "values")
"""Of a row; `values` are the sixteen of the jackknife, whose variance is about the interval's."""


def ways() -> dict[str, dict[str, Any]]:
    """Name each sampler with its steps: the keywords of `Model.sample`."""
    found = {"ddpm 250": {"sampler": "ddpm", "steps": "250"}}
    for steps in (5, 8, 12, 16, 25):
        even = f"logsnr{steps}"
        found |= {
            f"ddim {steps}": {"sampler": "ddim", "steps": f"ddim{steps}"},
            f"2m {steps}": {"sampler": "dpm_solver_pp", "steps": even},
            f"sde {steps}": {"sampler": "dpm_solver_pp", "steps": even, "eta": 1.0},
            f"unipc-2 {steps}": {"sampler": "unipc", "steps": even},
            f"unipc-3 {steps}": {"sampler": "unipc", "order": 3, "steps": even},
        }
    return found | {f"heun {2 * steps - 1}": {"sampler": "heun", "steps": f"rho{steps}"} for steps in (3, 4, 6, 8, 13)}


def guidances(scale: float, by_classifier: bool) -> dict[str, dict[str, Any]]:
    """Name each guidance: its keywords, with and without an interval in timesteps over T."""
    name = "scale" if by_classifier else "cfg_scale"
    found: dict[str, dict[str, Any]] = {"none": {name: 0.0 if by_classifier else 1.0}, f"{scale:g}": {name: scale}}
    found[f"{2 * scale:g}"] = {name: 2 * scale}
    for low, high in ((0.1, 0.6), (0.2, 0.8)):
        found[f"{scale:g} in {low:g}-{high:g}"] = {name: scale, "guidance_interval": [low, high]}
        found[f"{2 * scale:g} in {low:g}-{high:g}"] = {name: 2 * scale, "guidance_interval": [low, high]}
    return found


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Sample in each way that is asked for and not there yet, and score."""
    images, labels, unseen, _, _ = read(
        options.source, options.size, keeps_alike=options.source not in ("fashion", "digits")
    )
    judge = judge_of(images, labels, options.judge, seed=1)
    real = feature_statistics(features_of(judge, unseen))
    factor = factor_of(real.sigma)
    model = adm.load(options.network, options.classifier, device="cpu", precision=options.precision)
    classes = np.random.default_rng(1).choice(labels, options.samples) if model.num_classes else None
    done = pd.read_csv(options.out) if options.out.stat().st_size else pd.DataFrame(columns=FIELDS)
    precision = {"classifier_precision": options.precision} if model.classifier else {}
    for guidance, how in guidances(options.scale, model.classifier is not None).items():
        if guidance not in options.guidances:
            continue
        for way, keywords in ways().items():
            if way not in options.ways or ((done.way == way) & (done.guidance == guidance)).any():
                continue
            asked = {"seed": 1, "batch": BATCH, **keywords, **how, **precision}
            try:
                model.run_of(options.samples, **asked)
            except adm.UserError as error:  # the interval holds none of the steps
                print(f"{way}, {guidance}: {error}", flush=True)
                continue
            began = time.process_time()
            drawn = model.sample(classes, options.samples, **asked)
            seconds = (time.process_time() - began) / options.samples
            rows = features_of(judge, drawn)
            fid = frechet_distance(real, feature_statistics(rows))
            without = distances_without(rows, parts_of(len(rows)), sets_left_out(len(rows)), real, factor)
            spread = jackknife(fid, without, len(rows))
            ends = t_interval(block_of([spread]))
            values = " ".join(f"{value:.6g}" for value in spread.folded().values)
            found = (way, guidance, seconds, fid, ends.low, ends.high, values)
            print(*found, flush=True)
            yield dict(zip(FIELDS, found, strict=True))


def difference(values: str, others: str) -> Interval:
    """The difference of two FIDs whose samples have the same seeds, by what their rows keep, with its 95 % interval."""
    each, of_others = (np.array(text.split(), float) for text in (values, others))
    return t_interval(Block((each - of_others)[:, None]))


def show(path: Path) -> None:
    """Print all ways, and the difference of each to `--fast` under the same guidance."""
    rows = pd.read_csv(path).sort_values(["seconds", "fid"])
    ours = rows[rows.way == next(name for name, how in ways().items() if how == fast(1000))].set_index("guidance")
    print("| sampler and evaluations | guidance | ms an image | FID (95 %) | less that of `--fast` |")
    print("|:--|:--|--:|--:|--:|")
    best = np.inf
    for row in rows.itertuples():
        bold, best = "**" * (row.fid < best), min(best, row.fid)
        told = f"{bold}{row.way}{bold} | {row.guidance} | {1e3 * row.seconds:.3g}"
        less = ""
        of_both = row.values, ours["values"].get(row.guidance)
        if all(isinstance(text, str) for text in of_both) and row.way != ours.way.loc[row.guidance]:
            less = "{:+.2f} ({:+.2f} to {:+.2f})".format(*difference(*of_both))
        print(f"| {told} | {row.fid:.2f} ({row.low:.2f}-{row.high:.2f}) | {less} |")


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.front", description=__doc__)
    parser.add_argument("network", nargs="?", help="what adm.load takes")
    parser.add_argument("source", nargs="?", help="the images that it was trained on: fashion, digits, or a folder")
    parser.add_argument("--classifier", help="what guides it")
    parser.add_argument("--scale", type=float, default=1.5, help="of guidance")
    parser.add_argument("--size", type=int, default=32, help="the side of a folder's images")
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--out", type=Path, help="the file of results, which is gone on with")
    parser.add_argument("--show", type=existing, metavar="FILE.csv", help="print the front of a file")
    parser.add_argument("--ways", nargs="+", default=[*ways()], metavar="WAY", help=", ".join(ways()))
    parser.add_argument("--guidances", nargs="+", default=["none"], metavar="G", help="as in the table")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--judge", type=int, default=2000, help="iterations of the judge")
    options = parser.parse_args()
    if options.show:
        show(options.show)
        return
    if not options.source or not options.out:
        parser.error("a network, a source and --out are needed, or --show")
    make_deterministic(1)
    with options.out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        for row in measured(options):
            if not file.tell():
                table.writeheader()
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
