"""The paper's compute accounting: Table 7 from the networks' FLOPs."""

import pytest

from adm.nets.cost import network_cost
from adm.nets.presets import preset_model
from adm.report.compute import theoretical_throughput, v100_days

TABLE_7 = {
    "imagenet64": (182.3, [(37.0, 20), (74.1, 41)]),
    "imagenet128": (65.2, [(11.5, 18), (24.8, 38)]),
    "imagenet256": (17.9, [(4.4, 25), (6.4, 36)]),
    "upsampler_64_256": (31.7, [(6.3, 20), (9.5, 30)]),
    "upsampler_128_512": (8.0, [(1.9, 24), (2.3, 29)]),
}
"""By network: the theoretical throughput, then (throughput, utilisation in percent), naive and optimised."""


@pytest.mark.parametrize("name", TABLE_7)
def test_theoretical_throughput_of_table_7(name):
    throughput = theoretical_throughput(network_cost(preset_model(name)).flops)
    assert f"{throughput:.1f}" == f"{TABLE_7[name][0]:.1f}"


@pytest.mark.parametrize(
    ("name", "images_per_second", "percent"),
    [(name, *measured) for name, (_, rows) in TABLE_7.items() for measured in rows],
)
def test_utilisation_of_table_7(name, images_per_second, percent):
    share = images_per_second / theoretical_throughput(network_cost(preset_model(name)).flops)
    assert round(100 * share) == percent


def test_a_day_is_the_images_of_a_day():
    assert v100_days(iterations=86_400, batch_size=7, images_per_second=7.0) == 1.0
