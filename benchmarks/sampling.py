"""Guided sampling against the released code's loop; the classifier is float32, as by default."""

from collections.abc import Iterator
from functools import partial

import torch

from adm.diffusion.process import Diffusion
from adm.nets.weights import build
from adm.sampling.guided import block_sampler
from benchmarks.cases import cases
from benchmarks.clock import Timing, paired
from benchmarks.plain import plain, plain_sampling


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a case."""
    for case in cases(smallest):
        torch.manual_seed(0)
        networks = [build(params).eval().requires_grad_(False) for params in (case.model, case.classifier)]
        theirs = [plain(network) for network in networks]
        x_T, (_, y) = torch.randn(case.batch, 3, case.side, case.side), case.batch_of_data()
        diffusion = Diffusion.from_schedule("cosine", 1000, str(case.steps))
        sampled = block_sampler(case.run, case.model, *networks, 10)
        plainly = partial(plain_sampling, *theirs, diffusion, x_T, y, 1.0)
        what = f"guided sampling, {case.steps} steps, {case}"
        yield paired(what, "released code", partial(sampled, 0), plainly, case.repeats)
