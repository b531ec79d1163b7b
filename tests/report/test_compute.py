"""The paper's compute accounting, recomputed: Table 7 from the networks' FLOPs, Table 10 from throughputs."""

import pytest

from adm.nets import PRESETS
from adm.nets.cost import network_cost
from adm.report.accelerators import A100, H100, V100, peak_flops
from adm.report.compute import implied_range, theoretical_throughput, utilisation, v100_days

TABLE_7 = {
    "imagenet64": (182.3, [(37.0, 20), (74.1, 41)]),
    "imagenet128": (65.2, [(11.5, 18), (24.8, 38)]),
    "imagenet256": (17.9, [(4.4, 25), (6.4, 36)]),
    "upsampler_64_256": (31.7, [(6.3, 20), (9.5, 30)]),
    "upsampler_128_512": (8.0, [(1.9, 24), (2.3, 29)]),
}
"""By network: the theoretical throughput, then (throughput, utilisation in percent), naive and optimised."""


BATCH_SIZES = {name: 2048 if name == "imagenet64" else 256 for name in TABLE_7}
"""Tables 11 and 13."""

TABLE_10 = [
    ("LSUN horse, 250K", 116, [("imagenet256", 250)]),
    ("LSUN horse, dropout, 250K", 116, [("imagenet256", 250)]),
    ("LSUN cat, dropout, 200K", 92, [("imagenet256", 200)]),
    ("128, 4360K", 521, [("imagenet128", 4360)]),
    ("128, 450K", 54, [("imagenet128", 450)]),
    ("256, 1980K", 916, [("imagenet256", 1980)]),
    ("256, 750K", 347, [("imagenet256", 750)]),
    ("256, 750K, short classifier", 347, [("imagenet256", 750)]),
    ("256, 540K + 500K", 329, [("imagenet64", 540), ("upsampler_64_256", 500)]),
    ("256, 540K + 150K", 219, [("imagenet64", 540), ("upsampler_64_256", 150)]),
    ("256, 200K + 150K", 110, [("imagenet64", 200), ("upsampler_64_256", 150)]),
    ("512, 4360K + 1050K", 1878, [("imagenet128", 4360), ("upsampler_128_512", 1050)]),
    ("512, 500K + 100K", 189, [("imagenet128", 500), ("upsampler_128_512", 100)]),
]
"""Row, generator compute as printed, and its trainings: network, thousands of iterations."""


def optimised(name):
    return TABLE_7[name][1][1][0]


@pytest.mark.parametrize("name", TABLE_7)
def test_theoretical_throughput_of_table_7(name):
    throughput = theoretical_throughput(network_cost(PRESETS[name]).flops)
    assert f"{throughput:.1f}" == f"{TABLE_7[name][0]:.1f}"


@pytest.mark.parametrize(
    ("name", "images_per_second", "percent"),
    [(name, *measured) for name, (_, rows) in TABLE_7.items() for measured in rows],
)
def test_utilisation_of_table_7(name, images_per_second, percent):
    share = utilisation(images_per_second, network_cost(PRESETS[name]).flops)
    assert round(100 * share) == percent


@pytest.mark.parametrize(("printed", "trainings"), [row[1:] for row in TABLE_10], ids=[row[0] for row in TABLE_10])
def test_generator_compute_of_table_10(printed, trainings):
    ranges = [implied_range(1000 * thousands, BATCH_SIZES[name], optimised(name)) for name, thousands in trainings]
    least, most = (sum(ends) for ends in zip(*ranges, strict=True))
    assert least - 1 <= printed <= most + 1
    assert most - least < 0.06 * printed  # what is checked is not that anything goes


def test_a_day_is_the_images_of_a_day():
    assert v100_days(iterations=86_400, batch_size=7, images_per_second=7.0) == 1.0


@pytest.mark.parametrize(("printed", "decimals"), [(74.1, 1), (2.3, 1), (12.0, 0), (0.25, 2)])
def test_the_implied_range_holds_the_days_of_every_throughput_that_prints_so(printed, decimals):
    least, most = implied_range(1000, 256, printed, decimals)
    half = 0.5 * 10**-decimals
    for inside in (-0.999, -0.5, 0.0, 0.5, 0.999):
        assert least < v100_days(1000, 256, printed + inside * half) < most
    for outside in (-1.001, 1.001):
        assert not least <= v100_days(1000, 256, printed + outside * half) <= most


def test_a_throughput_that_may_be_zero_is_refused():
    with pytest.raises(ValueError, match=r"images_per_second: 0\.05 is not above 0\.05"):
        implied_range(1000, 256, 0.05)


def test_throughput_is_inverse_to_cost_and_full_at_its_own_peak():
    assert theoretical_throughput(2e9, peak=6e12) == 1000.0
    assert utilisation(250.0, 2e9, peak=6e12) == 0.25


@pytest.mark.parametrize(
    ("driver_name", "device"),
    [
        ("Tesla V100-SXM2-32GB", V100),
        ("NVIDIA A100-SXM4-40GB", A100),
        ("NVIDIA A100 80GB PCIe", A100),
        ("NVIDIA H100 80GB HBM3", H100),
    ],
)
def test_a_gpu_is_known_by_its_drivers_name(driver_name, device):
    found = [peak_flops(driver_name, precision) for precision in ("float32", "tf32", "bfloat16", "float16")]
    assert found == [device.single_flops, device.tf32_flops, device.half_flops, device.half_flops]


@pytest.mark.parametrize("other", ["Tesla V100-PCIE-16GB", "NVIDIA H100 PCIe", "NVIDIA GeForce RTX 4090", "AMD EPYC"])
def test_a_device_whose_peak_is_not_known_has_none(other):
    assert peak_flops(other, "float16") is None
