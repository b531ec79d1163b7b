"""A training step against the released code's."""

from collections.abc import Iterator
from functools import partial

import torch

from adm.nets.weights import build
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from benchmarks.cases import cases
from benchmarks.clock import Timing, paired
from benchmarks.plain import PlainTraining


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a case."""
    for case in cases(smallest):
        torch.manual_seed(0)
        params, network = case.model, build(case.model)
        task = build_task(params)
        theirs = PlainTraining(network, task.diffusion, params.training)
        state = TrainingState(network, task, params.training)
        batch = case.batch_of_data()
        ours = partial(train_step, state, params.training, *batch)
        yield paired(f"training step, {case}", "released code", ours, partial(theirs.step, *batch), case.repeats)
