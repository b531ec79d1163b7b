"""The released networks' sizes, counted without allocating one weight."""

import math

import pytest

from adm.nets import PRESETS
from adm.nets.presets import preset_network

NUM_PARAMETERS = {
    "imagenet64": 295_904_454,
    "imagenet128": 421_529_606,
    "imagenet256": 553_838_086,
    "imagenet256_unconditional": 552_814_086,
    "imagenet512": 558_997_638,
    "lsun_bedroom": 552_814_086,
    "lsun_cat": 552_814_086,
    "lsun_horse": 552_814_086,
    "lsun_horse_nodropout": 552_814_086,
    "upsampler_64_256": 311_795_910,
    "upsampler_128_512": 308_835_270,
    "classifier_imagenet64": 65_438_568,
    "classifier_imagenet128": 42_568_040,
    "classifier_imagenet256": 54_096_360,
    "classifier_imagenet512": 54_448_360,
}


def test_all_presets_are_counted():
    assert PRESETS.keys() == NUM_PARAMETERS.keys()


@pytest.mark.parametrize("name", NUM_PARAMETERS)
def test_number_of_parameters(name):
    assert sum(math.prod(parameter.shape) for parameter in preset_network(name).parameters()) == NUM_PARAMETERS[name]


def test_flags_that_shapes_do_not_show():
    assert [name for name, params in PRESETS.items() if params.attention_order == "new"] == ["imagenet64"]
    assert {name for name, params in PRESETS.items() if params.dropout} == {
        "imagenet64",
        "lsun_bedroom",
        "lsun_cat",
        "lsun_horse",
    }
    assert all(params.resampling == "biggan" and params.conditioning == "adagn" for params in PRESETS.values())
    assert not any(params.residual_rescaling for params in PRESETS.values())
    assert {name for name, params in PRESETS.items() if params.heads} == {"imagenet128", "upsampler_64_256"}
