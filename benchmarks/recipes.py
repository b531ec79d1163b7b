"""Recipes of training at the embedded scale: FID against the seconds of a processor that training takes.

Run as `python -m benchmarks.recipes`. A recipe is a model of the params file, its class-conditional ADM or its GAN, and
what is changed in it. Seeds are none of the params file's, neither of training nor of sampling: what is chosen by these
numbers is measured there on seeds that took no part in the choice. The ADM is sampled without guidance.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from adm.cli import carry_out
from adm.determinism import make_deterministic
from adm.params import load
from adm.pipeline import Job, Pipeline

PARAMS = Path(__file__).parent.parent / "params.yaml"
METRICS = ("fid", "fid_held_out", "precision", "recall")

Changes = Mapping[str, Any]


def both_rates(rate: float) -> dict[str, float]:
    """One learning rate for both players of a GAN."""
    return {"generator_rate": rate, "discriminator_rate": rate}


RECIPES: dict[str, dict[str, Changes]] = {
    "adm": {
        "kept": {"checkpoints": [500, 1000, 2180]},
        "Muon": {"checkpoints": [500, 1000], "training": {"optimizer": "muon"}},
        "Muon, rate 4e-3": {"checkpoints": [500, 1000], "training": {"optimizer": "muon", "learning_rate": 4.0e-3}},
        "Muon, batch 16": {"checkpoints": [500, 1000], "training": {"optimizer": "muon", "batch_size": 16}},
        "as wide at 8x8": {
            "checkpoints": [500, 1000, 2180],
            "network": {"channels": 32, "channel_multiplier": [1, 1], "groups": 8, "head_channels": 32},
        },
        "batch 16": {"checkpoints": [500, 1000, 2180], "training": {"batch_size": 16}},
        "batch 16, rate 1e-3": {
            "checkpoints": [500, 1000, 2180], "training": {"batch_size": 16, "learning_rate": 1.0e-3},
        },
        "batch 64": {"checkpoints": [500], "training": {"batch_size": 64}},
        "batch 64, annealed": {"checkpoints": [500], "training": {"batch_size": 64, "annealing": 500}},
        "batch 64, rate 4e-3": {"checkpoints": [500], "training": {"batch_size": 64, "learning_rate": 4.0e-3}},
        "batch 32, annealed": {"checkpoints": [1000], "training": {"batch_size": 32, "annealing": 1000}},
        "batch 32, rate 4e-3": {"checkpoints": [800], "training": {"batch_size": 32, "learning_rate": 4.0e-3}},
        "batch 32, twice as wide at 4x4": {
            "checkpoints": [700], "training": {"batch_size": 32}, "network": {"channel_multiplier": [1, 4]},
        },
        "batch 32, annealed, whole": {"checkpoints": [2180], "training": {"batch_size": 32, "annealing": 2180}},
    },
    "gan": {
        "batch 64": {"iterations": 1000, "batch_size": 64, **both_rates(1.0e-3)},
        "batch 32": {"iterations": 1800, "batch_size": 32, **both_rates(1.0e-3)},
        "batch 32, rates 5e-4": {"iterations": 1800, "batch_size": 32, **both_rates(5.0e-4)},
        "batch 32, rates 2e-3": {"iterations": 1800, "batch_size": 32, **both_rates(2.0e-3)},
        "batch 32, the generator's rate halved": {
            "iterations": 1800, "batch_size": 32, "generator_rate": 5.0e-4, "discriminator_rate": 1.0e-3,
        },
        "batch 32, rates 2e-3, two updates of the discriminator": {
            "iterations": 1100, "batch_size": 32, "discriminator_steps": 2, **both_rates(2.0e-3),
        },
        "twice as long": {"iterations": 3600},
        "four times as long": {"iterations": 7200},
        "eight times as long": {"iterations": 14400},
        "batch 64, 24 channels": {"iterations": 700, "batch_size": 64, "channels": 24, **both_rates(1.0e-3)},
    },
}  # fmt: skip
"""What each recipe changes in the section of its model, by kind of model and by name."""


def merged(section: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """A section with changes in it; sections within are merged, too."""
    both = [key for key, value in changes.items() if isinstance(value, dict) and isinstance(section.get(key), dict)]
    within = {key: merged(section[key], changes[key]) for key in both}
    return {**section, **changes, **within}


def params_of(kind: str, changes: Changes, seed: int, results: Path, smallest: bool) -> dict[str, Any]:
    """A params file of one recipe, the entry `recipe`, with a run of each of its checkpoints."""
    given = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    few = {"num_samples": 20, "micro_batch": 20} if smallest else {}
    short = {"iterations": 2} if smallest else {}
    learnt = {"least_accuracy": 0} if smallest else {}
    content = {
        "paths": {"results": str(results)},
        "defaults": given["defaults"],
        "datasets": {"digits": given["datasets"]["digits"]},
        "extractors": {"digits": {**given["extractors"]["digits"], **short, **learnt}},
        "references": {"digits": given["references"]["digits"]},
    }
    if kind == "gan":
        run = {**given["gan_runs"]["gan"], **few, "gan": "recipe", "sweep": None, "seed": seed << 20}
        return {
            **content,
            "gans": {"recipe": {**merged(given["gans"]["digits"], changes), "seed": seed, **short}},
            "gan_runs": {"recipe": run},
        }
    model = merged(merged(given["models"]["adm-128"], changes), {"training": {"seed": seed, "averages": None}})
    if smallest:
        model["checkpoints"] = [1, 2]
    run = {"checkpoint": "recipe", "seed": seed << 20, "sweep": {"iteration": model["checkpoints"]}, **few}
    return {**content, "models": {"recipe": model}, "runs": {"recipe": run}}


def needed(pipeline: Pipeline, key: str) -> list[Job]:
    """The jobs up to the score of a run, in order."""
    makers = {path: job for job in pipeline.jobs.values() for path in job.outputs.values()}
    found: dict[str, Job] = {}

    def add(job: Job) -> None:
        for path in job.inputs.values():
            if path in makers:
                add(makers[path])
        found.setdefault(job.name, job)

    add(pipeline.find("evaluate", key))
    return list(found.values())


def rows(kind: str, changes: Changes, seed: int, folder: Path, smallest: bool) -> Iterator[dict[str, float]]:
    """Train a recipe, and score each of its checkpoints: its iteration, the seconds so far, and the metrics.

    `folder` keeps what recipes share: the images, the extractor, the reference.
    """
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(params_of(kind, changes, seed, folder / "results", smallest)), encoding="utf-8")
    pipeline = Pipeline(params := load(file))
    seconds = 0.0
    own: set[str] = set()
    for key in params.scored:
        for job in needed(pipeline, key):
            is_own = job.key.startswith("recipe")
            if job.name in own or (not is_own and job.out.exists()):
                continue
            start = time.process_time()
            carry_out(file, job.kind.verb, job.argument)
            own.add(job.name)
            if is_own and job.kind.verb in ("train", "train_gan"):
                seconds += time.process_time() - start
        metrics = json.loads(pipeline.find("evaluate", key).out.read_text(encoding="utf-8"))["metrics"]
        if kind == "gan":
            iteration = params.gans["recipe"].iterations
        else:
            iteration = params.iteration_of(params.runs[key].checkpoint)
        yield {"iteration": iteration, "seconds": seconds, **{name: metrics[name] for name in METRICS}}


def main() -> None:
    """Print a row a recipe, a seed and a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=RECIPES)
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102])
    parser.add_argument("--smallest", action="store_true", help="to see that it runs; its scores say nothing")
    parser.add_argument("--folder", type=Path, help="keeps the images and the extractor for another call")
    options = parser.parse_args()
    make_deterministic(1)
    print(f"| recipe | seed | iterations | seconds | {' | '.join(METRICS)} |\n|:--|{'--:|' * (3 + len(METRICS))}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for name in options.names or RECIPES[options.kind]:
            for seed in options.seeds:
                for row in rows(options.kind, RECIPES[options.kind][name], seed, folder, options.smallest):
                    iteration, seconds, *metrics = row.values()
                    cells = [name, seed, f"{iteration:.0f}", f"{seconds:.1f}", *(f"{value:.2f}" for value in metrics)]
                    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
