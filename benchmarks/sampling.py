"""Guided sampling of 64 channels at 32x32, 64 images at a time, against the plain float32 loop."""

import torch

from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDPM, classifier_gradient, sample
from adm.nets.weights import build
from adm.params.models import ClassifierModelParams
from adm.params.runs import RunParams
from adm.sampling.guided import sample_blocks
from benchmarks.clock import paired
from benchmarks.training import BATCH, model

STEPS = 3


def main() -> None:
    """Print images a second at 250 steps, and the ratio."""
    params = model("bfloat16")
    sections = params.model_dump()
    del sections["objective"], sections["network"]["num_classes"]
    classifier_params = ClassifierModelParams.model_validate(
        {**sections, "kind": "classifier", "network": {**sections["network"], "num_classes": 10}}
    )
    networks = [build(p).eval().requires_grad_(False) for p in (params, classifier_params) for _ in range(2)]
    network, plain_network, classifier, plain_classifier = networks
    run = RunParams(
        checkpoint="bench", classifier="bench", gradient_scale=1.0, sampler="ddpm", steps=str(STEPS),
        num_samples=BATCH, micro_batch=BATCH, precision="bfloat16", seed=0, threads=torch.get_num_threads(),
        extractor="bench", reference="bench", replicates=1,
    )  # fmt: skip

    def plain() -> None:
        diffusion = Diffusion.from_schedule("cosine", 1000, str(STEPS))
        y = torch.randint(10, (BATCH,))
        gradient = classifier_gradient(plain_classifier, y, 1.0)
        step = DDPM(diffusion, lambda x, t: plain_network(x, t, y), gradient)
        x_T = torch.randn(BATCH, 3, 32, 32)
        list(sample(step, x_T, lambda: torch.randn_like(x_T)))

    ours, theirs, ratio = paired(
        lambda: list(sample_blocks(run, params, network, classifier, 10, range(1))), plain, repeats=5
    )
    rates = (BATCH * STEPS / (seconds * 250) for seconds in (ours, theirs))
    print(
        "guided sampling, 64 channels, 32x32, 250 steps, {} threads: {:.3f} images/s, plain loop {:.3f} images/s, "
        "ratio {:.2f}".format(torch.get_num_threads(), *rates, ratio)
    )


if __name__ == "__main__":
    main()
