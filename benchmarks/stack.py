"""Noise on the small image of a stack: FID of the fashion scale's stack, where its upsampler learns from noisy ones.

Run as `python -m benchmarks.stack --out FILE.csv`. The networks, their objective, batches and rates are those of
`scales/fashion`. Numbers of updates are a share of its own, nothing guides, and the upsampler takes half of its steps,
in float32. Upsamplers differ in their `noise_augmentation`. To samples of the base model noise is added with each of
some deviations, before they are upsampled. What leaves the range of pixels is cut off, as in training: backgrounds,
which are black, get about half. All upsamplers of a seed begin with the same weights, see the same batches and upsample
the same samples of one base model. FID is to held-out garments.

A call that was stopped goes on with what is missing. `python -m benchmarks.stack --show FILE.csv` prints FID of each,
one of a seed, and its ratio to that without noise, with a 95 % interval over seeds.

Source: Ho et al. (2022), "Cascaded Diffusion Models", Section 4; their network is told how much noise there is.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from adm.config.models import AnyModel
from adm.config.sampling import GuidedSampling, Sampling
from adm.data.batches import to_unit_range
from adm.data.crops import centre_crop
from adm.determinism import generator, make_deterministic
from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import feature_statistics
from adm.nets.weights import build, initial
from adm.params import load
from adm.sampling.batch import Samples
from adm.sampling.guided import block_sampler, block_trajectories
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from benchmarks.quality import existing, ratio_of
from benchmarks.short_training import Images, Labels, features_of, judge_of, read

PARAMS = Path(__file__).parent.parent / "scales/fashion/params.yaml"

BASE, UPSAMPLER = "adm-64", "adm-u"

UPDATES = {BASE: 540, UPSAMPLER: 500}
"""Of the scale."""

NOISES = {0.0: (0.0,), 0.1: (0.0, 0.05), 0.3: (0.0, 0.1, 0.2)}
"""The most noise in training, in units of [-1, 1], and what samples of the base model get."""

BATCH = 50
"""Images that are sampled together."""

FIELDS = ("seed", "noise", "added", "fid_held_out")


def noisy(x: Tensor, deviation: float, draws: torch.Generator) -> Tensor:
    """Add noise to images (B, C, h, w) in [-1, 1], and cut off what leaves that range."""
    return (x + deviation * torch.randn(x.shape, generator=draws)).clamp(-1, 1)


def trained(model: AnyModel, images: Images, labels: Labels, updates: int) -> nn.Module:
    """Train, and return the averaged network."""
    training = model.training
    state = TrainingState(initial(model), build_task(model), training)
    draws = generator(training.seed, 0)
    for _ in range(updates):
        rows = torch.randint(len(images), (training.batch_size,), generator=draws).numpy()
        train_step(state, training, to_unit_range(images[rows], 1), torch.from_numpy(labels[rows]))
    averaged = build(model)
    averaged.load_state_dict(state.ema)
    return averaged


def sampled(run: Sampling, model: AnyModel, network: nn.Module, base: Samples | None = None) -> Samples:
    """Sample all blocks of a run."""
    blocks = block_sampler(block_trajectories(run, model, network, None, 10, base=base))
    images, labels = zip(*(blocks(block) for block in run.blocks), strict=True)
    return Samples(np.concatenate(images), np.concatenate(labels))


def measure(options: argparse.Namespace) -> None:
    """Train and score what the file of results lacks."""
    images, labels, unseen, _, _ = read("fashion", 28)
    judge = judge_of(images, labels, options.judge)
    real = feature_statistics(features_of(judge, unseen))
    small = np.stack([centre_crop(image, 14) for image in images])
    models = load(PARAMS).models
    is_begun = options.out.exists() and options.out.stat().st_size
    done = pd.read_csv(options.out) if is_begun else pd.DataFrame(columns=FIELDS)
    how = {"num_samples": options.samples, "micro_batch": BATCH, "sampler": "ddpm", "threads": 1}
    with options.out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        if not is_begun:
            table.writeheader()
        for seed in options.seeds:
            missing = [noise for noise in options.noises if not ((done.seed == seed) & (done.noise == noise)).any()]
            if not missing:
                continue

            def of(name: str, seed: int = seed) -> tuple[AnyModel, int]:
                whole, updates = models[name], max(1, round(options.share * UPDATES[name]))
                training = {"seed": seed} | ({"annealing": updates} if whole.training.annealing else {})
                changed = whole.training.model_copy(update=training)
                return whole.model_copy(update={"training": changed}), updates

            (base, of_base), (upsampler, of_upsampler) = of(BASE), of(UPSAMPLER)
            run = {**how, "seed": seed << 20}
            network = trained(base, small, labels, of_base)
            made = sampled(GuidedSampling.model_validate(run | {"steps": options.steps[0]}), base, network)
            for noise in missing:
                noisily = upsampler.model_copy(update={"noise_augmentation": noise})
                network = trained(noisily, images, labels, of_upsampler)
                found = []
                for added in NOISES[noise]:
                    levels = torch.from_numpy(made.images[..., :1]) / 127.5 - 1
                    given = ((noisy(levels, added, generator(seed, 2)) + 1) * 127.5).round().byte().numpy()
                    again = Samples(np.repeat(given, 3, axis=3), made.labels)
                    # Seeds of their own: the noise of image i is not that of its base.
                    steps = Sampling.model_validate(run | {"steps": options.steps[1], "seed": (seed << 20) + (1 << 19)})
                    drawn = sampled(steps, upsampler, network, again)
                    fid = frechet_distance(real, feature_statistics(features_of(judge, drawn.images)))
                    found.append(dict(zip(FIELDS, (seed, noise, added, fid), strict=True)))
                    print(found[-1], flush=True)
                table.writerows(found)
                file.flush()


def show(path: Path) -> None:
    """Print FID by the noise of training and of sampling."""
    fids = pd.read_csv(path).pivot(index=["noise", "added"], columns="seed", values="fid_held_out")
    ratios = np.log(fids / fids.loc[0.0, 0.0])
    print("| noise in training, up to | of samples | FID, held out | ratio (95 %) |\n|--:|--:|:--|:--|")
    for (noise, added), of_seeds in fids.iterrows():
        each = ", ".join(f"{fid:.1f}" for fid in of_seeds.dropna())
        print(f"| {noise:g} | {added:g} | {each} | {ratio_of(ratios.loc[noise, added]) if noise else '1.00'} |")


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stack", description=__doc__)
    parser.add_argument("--out", type=Path, help="the file of results, which is gone on with")
    parser.add_argument("--show", type=existing, metavar="FILE.csv", help="print the table of a file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--noises", type=float, nargs="+", default=[*NOISES], choices=NOISES)
    parser.add_argument("--share", type=float, default=0.5, help="of the scale's updates")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--steps", nargs=2, default=["250", "50"], help="of the base model and of the upsampler")
    parser.add_argument("--judge", type=int, default=2000, help="iterations of the judge")
    options = parser.parse_args()
    if options.show:
        show(options.show)
        return
    if not options.out:
        parser.error("--out is needed, or --show")
    make_deterministic(1)
    measure(options)


if __name__ == "__main__":
    main()
