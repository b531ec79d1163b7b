"""Guided sampling against the released code's loop, whose networks are float32."""

import copy
from collections.abc import Iterator
from functools import partial

import torch

from adm.diffusion.process import Diffusion
from adm.machine import cpp_compiler
from adm.nets.weights import build
from adm.sampling.guided import block_sampler, block_trajectories
from benchmarks.cases import cases
from benchmarks.clock import Timing, paired
from benchmarks.plain import plain, plain_sampling

WAYS: dict[str, dict[str, object]] = {
    "": {},
    ", classifier in bfloat16": {"precision": "bfloat16", "classifier_precision": "bfloat16"},
    ", compiled, classifier in bfloat16": {
        "precision": "bfloat16",
        "classifier_precision": "bfloat16",
        "compiled": True,
    },
}
"""What a run may ask for, by name: nothing more, both networks in bfloat16, both compiled, too."""


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a case."""
    for case in cases(smallest):
        torch.manual_seed(0)
        networks = [build(params).eval().requires_grad_(False) for params in (case.model, case.classifier)]
        theirs = [plain(network) for network in networks]
        x_T, (_, y) = torch.randn(case.batch, 3, case.side, case.side), case.batch_of_data()
        diffusion = Diffusion.from_schedule("cosine", 1000, str(case.steps))
        plainly = partial(plain_sampling, *theirs, diffusion, x_T, y, 1.0)
        for name, changes in WAYS.items():
            # To compile takes longer than all the rest of the smallest case.
            if changes.get("compiled") and (smallest or cpp_compiler() is None):
                continue
            run = case.run.model_copy(update=changes)
            sampled = block_sampler(block_trajectories(run, case.model, *copy.deepcopy(networks), 10))
            what = f"guided sampling{name}, {case.steps} steps, {case}"
            yield paired(what, "released code", partial(sampled, 0), plainly, case.repeats)
