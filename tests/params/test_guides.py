"""Guidance that makes no sense is refused in one line, before anything runs; what makes sense is accepted."""

import pytest
from pydantic import ValidationError

from adm.config.models import NoiseParams
from adm.diffusion.process import Diffusion
from adm.params.expansion import write_out
from adm.params.runs import RunParams

RUN = "runs.scale-2"
DROPPING = {"models.adm-128.training.label_dropout": 0.1}
OTHER = {"models.other": "= models.adm-128"}
GUIDE = {f"{RUN}.guide": {"checkpoint": "other-250", "scale": 2.0}}

CONTRADICTIONS = {
    "cfg without label dropout": ({f"{RUN}.cfg_scale": 2.0}, f"{RUN}.cfg_scale", "'adm-128'", "label_dropout"),
    "no such guide": (
        {f"{RUN}.guide": {"checkpoint": "adm-128-251", "scale": 2.0}},
        f"{RUN}.guide.checkpoint",
        "'adm-128-251'",
        "adm-128-250",
    ),
    "classifier as a guide": (
        {f"{RUN}.guide": {"checkpoint": "classifier-128-300", "scale": 2.0}},
        f"{RUN}.guide.checkpoint",
        "'classifier'",
        "'diffusion'",
    ),
    "itself as a guide": (
        {f"{RUN}.guide": {"checkpoint": "adm-128-4360", "scale": 2.0}},
        f"{RUN}.guide.checkpoint",
        "'adm-128-4360'",
        "itself",
    ),
    "guide without classes": (
        OTHER | GUIDE | {"models.other.network.num_classes": None},
        f"{RUN}.guide.checkpoint",
        "num_classes is None",
        "has 10",
    ),
    "guide that predicts something else": (
        OTHER | GUIDE | {"models.other.noise.predicts": "v"},
        f"{RUN}.guide.checkpoint",
        "predicts is 'v'",
        "has 'eps'",
    ),
    "interval between two steps": (
        {f"{RUN}.guidance_interval": [0.001, 0.002]},
        f"{RUN}.guidance_interval",
        "[0.001, 0.002]",
        "'25'",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_guidance_that_contradicts_other_sections_is_refused(refusal, case):
    changes, place, *named = CONTRADICTIONS[case]
    message = refusal(changes)
    assert message.startswith(f"{place}: ")
    assert [part for part in named if part not in message] == []


FITTING = {
    "cfg": DROPPING | {f"{RUN}.cfg_scale": 2.0},
    "cfg in an interval beside a classifier": DROPPING
    | {f"{RUN}.cfg_scale": 2.0, f"{RUN}.guidance_interval": [0.2, 0.8]},
    "an earlier checkpoint": {f"{RUN}.guide": {"checkpoint": "adm-128-250", "scale": 2.0}},
    "a smaller model without a learned variance": OTHER
    | GUIDE
    | {"models.other.network.depth": 1, "models.other.noise.variance": "beta", "models.other.objective": "simple"},
    "a classifier in an interval": {f"{RUN}.guidance_interval": [0.0, 0.5]},
}


@pytest.mark.parametrize("case", FITTING)
def test_guidance_that_makes_sense_is_accepted(checked, case):
    checked(FITTING[case])


RUNNING = {"checkpoint": "c", "reference": "r", "num_samples": 8}
ONE_LINE = [
    ({"cfg_scale": 2.0, "guide": {"checkpoint": "w", "scale": 2.0}}, "cfg_scale 2 and guide"),
    ({"guidance_interval": [0.2, 0.8]}, "does nothing without guidance"),
    ({"cfg_scale": 2.0, "guidance_interval": [0.8, 0.2]}, r"guidance_interval \[0.8, 0.2\] is empty"),
    ({"cfg_scale": 2.0, "guidance_interval": [0.5, 0.5]}, "is empty"),
    ({"classifier": "k", "gradient_scale": 1.0, "gradient_at": "mean", "guidance_interval": [0.2, 0.8]}, "'mean'"),
]


@pytest.mark.parametrize(("fields", "message"), ONE_LINE)
def test_a_run_with_fields_that_do_not_go_together_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        RunParams.model_validate(RUNNING | fields)


def test_labels_are_dropped_of_diffusion_models_with_classes_alone(tiny_model):
    assert tiny_model(label_dropout=0.1).training.label_dropout == 0.1
    for kind, changes in (("classifier", {}), ("upsampler", {}), ("diffusion", {"num_classes": None})):
        with pytest.raises(ValidationError, match=r"label_dropout 0.1 is for diffusion models with classes"):
            tiny_model(kind, label_dropout=0.1, **changes)


@pytest.mark.parametrize(
    ("steps", "interval", "guided"),
    [("10", None, 10), ("10", [0.0, 1.0], 10), ("1000", [0.2, 0.8], 601), ("ddim10", [0.25, 0.55], 3)],
)
def test_guided_steps_are_counted(steps, interval, guided):
    fields = {"cfg_scale": 2.0, "steps": steps, "guidance_interval": interval}
    assert RunParams.model_validate(RUNNING | fields).guided_steps(NoiseParams()) == guided


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", ["25", "ddim10", "logsnr12", "rho18"])
def test_guided_steps_are_those_that_the_process_visits_in_the_interval(schedule, steps):
    run = RunParams.model_validate(RUNNING | {"cfg_scale": 2.0, "steps": steps, "guidance_interval": [0.2, 0.6]})
    visited = Diffusion.from_schedule(schedule, 100, steps).original
    assert run.guided_steps(NoiseParams(timesteps=100, schedule=schedule)) == sum(20 <= t <= 60 for t in visited) > 0


def test_a_model_as_a_guide_means_its_last_checkpoint_and_scales_are_swept():
    data = {
        "models": {"big": {"checkpoints": [5, 10]}, "small": {"checkpoints": [3]}},
        "runs": {"auto": {"checkpoint": "big", "guide": {"checkpoint": "small"}, "sweep": {"guide.scale": [1.5, 2]}}},
    }
    runs = write_out(data, "results/x")["runs"]
    assert {key: (run["checkpoint"], run["guide"]) for key, run in runs.items()} == {
        "auto-1_5": ("big-10", {"checkpoint": "small-3", "scale": 1.5}),
        "auto-2": ("big-10", {"checkpoint": "small-3", "scale": 2}),
    }
