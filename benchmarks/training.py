"""A training step against the released code's, on one thread: `python -m benchmarks.training`."""

from functools import partial

import torch

from adm.nets.weights import build
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from benchmarks.cases import cases_asked_for
from benchmarks.clock import paired
from benchmarks.plain import PlainTraining


def main() -> None:
    """Print milliseconds a step and the ratio."""
    for case in cases_asked_for(__doc__):
        torch.manual_seed(0)
        params, network = case.model, build(case.model)
        task = build_task(params)
        theirs = PlainTraining(network, task.diffusion, params.training)
        state = TrainingState(network, task, params.training)
        batch = case.batch_of_data()
        timing = paired(partial(train_step, state, params.training, *batch), partial(theirs.step, *batch), case.repeats)
        print(f"training step, {case}: {timing}", flush=True)


if __name__ == "__main__":
    main()
