"""What a model begins with fits it, or is refused in one line before anything runs."""

import pytest

from adm.pipeline import Pipeline

PLACE = "models.other.start.checkpoint"
OTHER = {"models.other": "= models.adm-128"}


def begun(checkpoint, keep_classes=False, **changes):
    start = {"checkpoint": checkpoint, "keep_classes": keep_classes}
    return OTHER | {"models.other.start": start} | {f"models.other.{key}": value for key, value in changes.items()}


REFUSED = {
    "nothing": (begun("adm-1"), "'adm-1'"),
    "a classifier": (begun("classifier-128"), "'classifier-128-1000' is of kind 'classifier'"),
    "another size": (begun("adm-64"), "image_size is 4"),
    "other classes that are to be kept": (begun("lsun-cat", True, noise={"timesteps": 100}), "num_classes is None"),
    "another process": (begun("lsun-cat"), "timesteps is 100"),
    "another prediction": (begun("adm-128", noise={"schedule": "cosine", "predicts": "v"}), "predicts is 'eps'"),
    "itself": (begun("other"), "'other-4360' is a circle, other -> other"),
    "its own begin": (begun("other-0"), "'other-0' is a circle"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_that_does_not_fit_is_refused(refusal, case):
    changes, named = REFUSED[case]
    message = refusal(changes)
    assert message.startswith(f"{PLACE}: ")
    assert named in message


def test_a_circle_of_several_is_named(refusal):
    circle = begun("adm-128") | {"models.adm-128.start": {"checkpoint": "other", "keep_classes": False}}
    assert "adm-128 -> other -> adm-128" in refusal(circle)


def test_the_first_checkpoint_alone_reads_the_start(checked):
    """A key or an option of the start runs again what reads it, and nothing that reads its checkpoint."""
    few = {"tables": {}, "figures": {}, "claims": {}, "models.other.start": None}
    plain, early, kept = (
        Pipeline(checked(OTHER | few | changes)).jobs for changes in ({}, begun("adm-128-250"), begun("adm-128", True))
    )
    assert [jobs["init/other"].inputs.get("start") for jobs in (plain, early, kept)] == [
        None,
        early["train/adm-128-250"].out,
        kept["train/adm-128-4360"].out,  # a model is its last checkpoint
    ]
    changed = {name for name in plain if plain[name].triggers != kept[name].triggers}
    assert {name for name in changed if name.startswith(("init", "train", "sample", "sizes"))} == {"init/other"}


def test_classes_colours_and_dropout_may_differ(checked):
    changes = {"network.num_classes": None, "network.image_channels": 1, "network.dropout": 0.1}
    checked(begun("adm-128", **changes, checkpoints=[], dataset=None))
