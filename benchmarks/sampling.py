"""Guided sampling at 32x32 against the plain float32 loop."""

import torch

from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDPM, classifier_gradient, last, sample
from adm.nets.weights import build
from adm.params.models import ClassifierModelParams
from adm.params.runs import RunParams
from adm.sampling.guided import block_sampler
from benchmarks.clock import paired
from benchmarks.training import model, size_asked_for

STEPS = 3


def main() -> None:
    """Print images a second at 250 steps, and the ratio."""
    size = size_asked_for(__doc__)
    params = model(size, "bfloat16")
    sections = params.model_dump(exclude_unset=True)
    del sections["objective"]
    classifier_params = ClassifierModelParams.model_validate({**sections, "kind": "classifier"})
    networks = [build(p).eval().requires_grad_(False) for p in (params, classifier_params) for _ in range(2)]
    network, plain_network, classifier, plain_classifier = networks
    run = RunParams(
        checkpoint="bench", classifier="bench", gradient_scale=1.0, sampler="ddpm", steps=str(STEPS),
        num_samples=size.batch, micro_batch=size.batch, precision="bfloat16", seed=0, threads=torch.get_num_threads(),
        reference="bench", replicates=1,
    )  # fmt: skip

    def plain() -> None:
        diffusion = Diffusion.from_schedule("cosine", 1000, str(STEPS))
        y = torch.randint(10, (size.batch,))
        gradient = classifier_gradient(plain_classifier, y, 1.0)
        step = DDPM(diffusion, lambda x, t: plain_network(x, t, y), gradient)
        x_T = torch.randn(size.batch, 3, 32, 32)
        last(sample(step, x_T, lambda: torch.randn_like(x_T)))

    sampled = block_sampler(run, params, network, classifier, 10)
    ours, theirs, ratio = paired(lambda: sampled(0), plain, size.repeats)
    rates = (size.batch * STEPS / (seconds * 250) for seconds in (ours, theirs))
    print(
        "guided sampling, {} channels, 32x32, batch {}, 250 steps, {} threads: {:.3g} images/s, plain loop {:.3g} "
        "images/s, ratio {:.2f}".format(size.channels, size.batch, torch.get_num_threads(), *rates, ratio)
    )


if __name__ == "__main__":
    main()
