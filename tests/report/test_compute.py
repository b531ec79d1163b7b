"""The paper's compute accounting: Table 7 from the networks' FLOPs."""

import pytest

from adm.nets.cost import network_cost
from adm.nets.presets import preset_model
from adm.report.compute import theoretical_throughput, v100_days

TABLE_7 = {
    "imagenet64": 182.3,
    "imagenet128": 65.2,
    "imagenet256": 17.9,
    "upsampler_64_256": 31.7,
    "upsampler_128_512": 8.0,
}


@pytest.mark.parametrize("name", TABLE_7)
def test_theoretical_throughput_of_table_7(name):
    throughput = theoretical_throughput(network_cost(preset_model(name)).flops)
    assert f"{throughput:.1f}" == f"{TABLE_7[name]:.1f}"


def test_a_day_is_the_images_of_a_day():
    assert v100_days(iterations=86_400, batch_size=7, images_per_second=7.0) == 1.0
