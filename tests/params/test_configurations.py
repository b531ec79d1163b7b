"""A claim compares two things that differ in more than seeds; else it is refused before anything runs."""

import pytest
import yaml

from adm.params import UserError, check
from adm.params.claims import not_tested
from adm.params.load import load
from adm.params.references import references

SMALL = """
datasets: {digits: {source: digits, image_size: 8, num_classes: 10}}
extractors: {vgg: {dataset: digits, side: 16, iterations: 9, least_accuracy: 0.5}}
references: {real: {dataset: digits, num_images: 100}}
models:
  adm: &adm
    kind: diffusion
    dataset: digits
    checkpoints: [100, 200]
    network: &network {image_size: 8, channels: 32, channel_multiplier: [1, 2], heads: 1, num_classes: 10}
    training: &training {batch_size: 4, label_dropout: 0.1, seed: 7}
    noise: {timesteps: 100}
  retrained: {<<: *adm, training: {<<: *training, seed: 8}}
  wide: {<<: *adm, network: {<<: *network, channels: 64}}
  judge: {<<: *adm, kind: classifier, checkpoints: [50], training: {batch_size: 4}}
gans: {rival: {dataset: digits, iterations: 5}}
runs:
  plain: &run {checkpoint: adm, num_samples: 8, steps: "5,5"}
  first: {<<: *run, steps: "10"}
gan_runs:
  gan: {gan: rival, num_samples: 8, truncation: 0.5}
interpolations: {one: &one {checkpoint: adm, steps: "5", reconstructions: 4}}
"""
CLAIM = {"statement": "S.", "source": "A", "metric": "fid"}


def claimed(entry, section="runs", base="plain", **claim):
    """The small file with an entry that changes `base` in some values, and a claim of both."""
    data = yaml.safe_load(SMALL)
    data[section]["more"] = data[section][base] | entry
    data["claims"] = {"mine": CLAIM | ({"kind": "lower", "run": "more", "than": base} | claim)}
    return data


def refusal(data):
    with pytest.raises(UserError) as error:
        check(data, "params.yaml")
    assert str(error.value).isprintable()
    return str(error.value)


NOTHING = {
    "nothing": {},
    "a seed of sampling": {"seed": 99},
    "a seed of training": {"checkpoint": "retrained"},
    "micro-batches": {"micro_batch": 3},
    "a curve": {"curve": "some"},
    "the steps in other words": {"steps": "5,5", "eta": 0.0},
    "temperature 1": {"noise_temperature": 1.0, "epsilon_temperature": 1.0},
    "gradient scale 0": {"classifier": "judge", "gradient_scale": 0.0},
    "gradient scale 0 in an interval": {"classifier": "judge", "gradient_scale": 0.0, "guidance_interval": [0.2, 0.8]},
    "classifier-free scale 1": {"cfg_scale": 1.0},
    "autoguidance of scale 1": {"guide": {"checkpoint": "adm-100", "scale": 1.0}},
}
SOMETHING = {
    "another checkpoint": {"checkpoint": "adm-100"},
    "another network": {"checkpoint": "wide"},
    "other steps": {"steps": "6,4"},
    "a temperature": {"noise_temperature": 0.9},
    "a gradient": {"classifier": "judge", "gradient_scale": 1.0},
    "classifier-free guidance": {"cfg_scale": 2.0},
    "autoguidance": {"guide": {"checkpoint": "adm-100", "scale": 2.0}},
    "another sampler": {"sampler": "ddim"},
}


@pytest.mark.parametrize("entry", NOTHING.values(), ids=NOTHING)
def test_runs_of_one_configuration_are_no_claim(entry):
    expected = "claims.mine: 'more' and 'plain' are of one configuration, so no effect is between them"
    assert expected in refusal(claimed(entry))


def test_a_run_is_not_compared_with_itself():
    assert "'plain' and 'plain' are of one configuration" in refusal(claimed({}, run="plain"))


def test_the_order_of_clipping_without_guidance_does_nothing():
    data = claimed({"sampler": "ddim", "clipping_order": "after"}, than="even")
    data["runs"]["even"] = data["runs"]["plain"] | {"sampler": "ddim"}
    assert "'more' and 'even' are of one configuration" in refusal(data)


@pytest.mark.parametrize("entry", SOMETHING.values(), ids=SOMETHING)
def test_runs_that_differ_in_what_changes_images_are_a_claim(entry):
    check(claimed(entry), "params.yaml")


def test_steps_that_visit_the_same_timesteps_are_one_configuration():
    data = claimed({"steps": "ddim10"})
    data["runs"]["plain"]["steps"] = ",".join(["1"] * 10)  # the first timestep of each tenth
    assert "are of one configuration" in refusal(data)


def test_a_temperature_of_noise_that_is_not_drawn_does_nothing():
    data = claimed({"sampler": "ddim", "noise_temperature": 0.9}, than="even")
    data["runs"]["even"] = data["runs"]["plain"] | {"sampler": "ddim"}
    assert "'more' and 'even' are of one configuration" in refusal(data)
    data["runs"]["even"]["eta"] = data["runs"]["more"]["eta"] = 0.5
    check(data, "params.yaml")


def test_gans_and_interpolations_of_one_configuration_are_no_claim():
    assert "are of one configuration" in refusal(claimed({"seed": 5}, "gan_runs", "gan"))
    check(claimed({"truncation": 1.0}, "gan_runs", "gan"), "params.yaml")
    data = claimed({}, "interpolations", "one")
    data["claims"]["mine"] = {**CLAIM, "kind": "reconstruction_order", "interpolations": ["one", "more"]}
    del data["claims"]["mine"]["metric"]
    assert "'one' and 'more' are of one configuration" in refusal(data)


def test_that_another_seed_gives_much_the_same_may_be_claimed():
    similar = {"kind": "similar", "runs_a": ["more"], "runs_b": ["plain"], "within": 1.0}
    for entry, accepted in (({"seed": 99}, True), ({"checkpoint": "retrained"}, True), ({"micro_batch": 3}, False)):
        data = claimed(entry)
        data["claims"]["mine"] = CLAIM | similar
        if accepted:
            check(data, "params.yaml")
        else:
            assert "are of one configuration" in refusal(data)


def test_groups_of_copies_of_one_model_are_compared_by_what_is_copied():
    data = claimed({"steps": "6,4"})
    data["models"]["adm"]["seeds"] = [1, 2, 3]
    check(data, "params.yaml")
    data["runs"]["more"]["steps"] = "5,5"
    assert "are of one configuration" in refusal(data)


def test_what_a_scale_tests_is_known_before_any_result(root):
    params = load(root / "params.yaml")
    untested, claims = not_tested(params.claims), params.claims
    assert untested
    assert all(untested.values())
    for key, claim in claims.items():
        tested_on = [named for named in references(type(claim), claim) if named.ref.reads]
        assert (key in untested) == (not tested_on)
