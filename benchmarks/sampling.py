"""Guided sampling against the released code's loop, on one thread: `python -m benchmarks.sampling`."""

import copy
from functools import partial

import torch

from adm.diffusion.process import Diffusion
from adm.nets.weights import build
from adm.params.runs import RunParams
from adm.sampling.guided import block_sampler
from benchmarks.cases import Case, cases_asked_for
from benchmarks.clock import paired
from benchmarks.plain import plain, plain_sampling


def run_of(case: Case, **more: object) -> RunParams:
    """The section of a guided run of a case."""
    section = {
        "checkpoint": "bench", "classifier": "bench", "reference": "bench", "gradient_scale": 1.0,
        "steps": str(case.steps), "num_samples": case.batch, "micro_batch": case.batch, "precision": case.precision,
        **more,
    }  # fmt: skip
    return RunParams.model_validate(section)


def main() -> None:
    """Print milliseconds a trajectory and the ratio, by default and compiled with a classifier in bfloat16."""
    for case in cases_asked_for(__doc__):
        torch.manual_seed(0)
        networks = [build(params).eval().requires_grad_(False) for params in (case.model, case.classifier)]
        theirs = [plain(network) for network in networks]
        x_T, (_, y) = torch.randn(case.batch, 3, case.side, case.side), case.batch_of_data()
        diffusion = Diffusion.from_schedule("cosine", 1000, str(case.steps))
        plainly = partial(plain_sampling, *theirs, diffusion, x_T, y, 1.0)
        compiled = {"compiled": True, "precision": "bfloat16", "classifier_precision": "bfloat16"}
        for name, more in {"": {}, "compiled, ": compiled}.items():
            sampled = block_sampler(run_of(case, **more), case.model, *copy.deepcopy(networks), 10)
            timing = paired(partial(sampled, 0), plainly, case.repeats)
            print(f"guided sampling, {name}{case.steps} steps, {case}: {timing}", flush=True)


if __name__ == "__main__":
    main()
