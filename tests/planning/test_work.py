"""Operations and days: against the paper's tables, torch's counter, and by hand; the verb `plan`."""

import pytest
import torch
from making import changed
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from adm.config.models import NoiseParams
from adm.nets.classifier import Classifier
from adm.nets.cost import network_cost
from adm.nets.presets import PRESETS, preset_model
from adm.nets.unet import UNet
from adm.nets.weights import build
from adm.paper import table_cells
from adm.params.runs import RunParams, UpsampledRunParams
from adm.pipeline.sampling import GRADIENT
from adm.planning.costs import SINGLE_SHARE, flops_of, measured_shares, plan, seconds_on, share_of
from adm.report.compute import A100, H100, PASSES, SECONDS_PER_DAY, V100
from adm.report.metrics import trained_for, updates_of

pytestmark = pytest.mark.xdist_group("planning")


def days(costs, names, device):
    return sum(seconds_on(costs[name], device) for name in names) / SECONDS_PER_DAY


def trained(params, checkpoint):
    return [f"train/{segment}" for segment in params.chain(checkpoint)]


def rows_of(table):
    """The rows of a table of the paper, as cells by the names of the columns."""
    header, rows = table_cells(table)
    return [dict(zip(header, row, strict=True)) for row in rows]


def rows_of_table_10(params):
    """The rows with a diffusion model, and the jobs that trained its generators and its classifier."""
    for row, source in zip(rows_of("table_10"), params.tables["table_10"].rows, strict=True):
        run = params.scored.get(source)
        if isinstance(run, UpsampledRunParams):
            base = params.runs[run.base]
            yield row, [*trained(params, run.checkpoint), *trained(params, base.checkpoint)], base.classifier
        elif isinstance(run, RunParams):
            yield row, trained(params, run.checkpoint), run.classifier


def test_generators_take_the_v100_days_of_table_10(paper, costs):
    compared = 0
    for row, generators, _ in rows_of_table_10(paper):
        printed = float(row["generator_compute"])
        found = days(costs, generators, V100)
        # Table 7 prints two or three digits of a rate, of the slowest 2.3, and Table 10 whole days.
        assert found == pytest.approx(printed, rel=0.004, abs=1.0)
        compared += 1
    assert compared == 13


def test_classifiers_take_the_v100_days_of_table_10(paper, costs):
    compared = 0
    for row, _, classifier in rows_of_table_10(paper):
        # Of one row the parts do not add up, as its note says.
        if row["classifier_compute"] == "-" or "add up to 120" in row["note"]:
            continue
        printed, found = float(row["classifier_compute"]), days(costs, trained(paper, classifier), V100)
        assert found == pytest.approx(printed, rel=0.08, abs=0.5)
        compared += 1
    assert compared == 9


def test_shares_are_those_that_table_7_prints(paper):
    printed = [row["utilisation"] for row in rows_of("table_7") if row["row"] == "Optimized"]
    found = measured_shares()
    assert [round(100 * share) for share in found.values()] == [int(share) for share in printed]
    assert list(found) == [
        ("diffusion", 64),
        ("diffusion", 128),
        ("diffusion", 256),
        ("upsampler", 256),
        ("upsampler", 512),
    ]


def test_a_size_that_was_not_measured_has_the_nearest_ones_share(paper):
    measured = measured_shares()
    assert share_of(paper.models["adm-512"], "float16") == measured["diffusion", 256]
    assert share_of(paper.models["adm-u-512"], "float16") == measured["upsampler", 512]
    assert share_of(paper.models["adm-512"], "float32") == SINGLE_SHARE


def counted(network, arguments, differentiate):
    # The counter knows the products of the plain attention alone.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        differentiate(network(*arguments))
    return counter.get_total_flops()


def test_a_training_step_costs_three_forward_passes(tiny_model):
    model = tiny_model(channels=64)
    inputs = torch.zeros(2, 3, 8, 8), torch.zeros(2), torch.zeros(2, dtype=torch.int64)
    found = counted(build(model), inputs, lambda output: output.sum().backward())
    # The first convolution passes no gradient on to the image.
    assert 0.97 <= found / (PASSES * 2 * network_cost(model).product_flops) <= 1.0


@pytest.mark.parametrize("name", ["imagenet64", "imagenet128"])
def test_a_training_step_of_a_published_network_costs_three_forward_passes(name):
    side = PRESETS[name].image_size
    with torch.device("meta"):
        network = UNet(PRESETS[name], 6)
        inputs = torch.empty(1, 3, side, side), torch.empty(1), torch.empty(1, dtype=torch.int64)
    found = counted(network, inputs, lambda output: output.sum().backward())
    assert found / (PASSES * network_cost(preset_model(name)).product_flops) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["classifier_imagenet64", "classifier_imagenet256"])
def test_a_gradient_by_the_image_costs_about_two_forward_passes(name):
    side = PRESETS[name].image_size
    with torch.device("meta"):
        network = Classifier(PRESETS[name]).requires_grad_(False)
        inputs = torch.empty(1, 3, side, side, requires_grad=True), torch.empty(1)
    found = counted(network, inputs, lambda output: output.sum().backward())
    # Attention has gradients by both of its factors, and takes more than one pass backwards.
    assert 1.0 <= found / (GRADIENT * network_cost(preset_model(name)).product_flops) <= 1.1


@pytest.mark.parametrize(
    ("run", "steps", "images"),
    # 782 blocks of 64 and 1563 of 32 hold 50,000 images.
    [("ddim-128-1_25", 25, 782 * 64), ("adm-128-4360k", 250, 782 * 64), ("adm-256-1980k", 250, 1563 * 32)],
)
def test_guided_sampling_by_hand(paper, costs, run, steps, images):
    section = paper.runs[run]
    model, classifier = (
        paper.models[paper.model_of(checkpoint)] for checkpoint in (section.checkpoint, section.classifier)
    )
    step = network_cost(model).flops + 2 * network_cost(classifier).flops
    assert flops_of(costs[f"sample/{run}"]) == steps * images * step


@pytest.mark.parametrize(
    ("sampler", "steps", "evaluations"), [("ddim", "10", 10), ("unipc", "logsnr10", 10), ("heun", "rho10", 19)]
)
def test_a_solver_costs_its_evaluations(paper, sampler, steps, evaluations):
    run = paper.runs["adm-128-4360k"].model_copy(update={"sampler": sampler, "steps": steps})
    assert run.evaluations(NoiseParams()) == (evaluations, evaluations, 0)
    assert run.model_copy(update={"gradient_scale": 0.0}).evaluations(NoiseParams()) == (evaluations, 0, 0)


def test_what_is_not_guided_costs_no_classifier(paper, costs):
    runs = [f"sample/{run}" for run in ("scale-128-0", "adm-128-4360k", "bedroom-full")]
    unguided, guided, other = (costs[run] for run in runs)
    assert len(guided) == 2
    assert len(unguided) == len(other) == 1
    assert guided[0] == unguided[0]
    assert flops_of(other) == pytest.approx(1000 * 50_000 * network_cost(paper.models["lsun-bedroom"]).flops, rel=0.01)


def test_an_interpolation_costs_what_its_images_are_encoded_and_decoded_by_hand(costs):
    plain, guided = (costs[f"interpolate/interpolation{scale}"] for scale in ("-0", "-1"))
    # 6 pairs, of which 9 points are decoded, and 256 reconstructions, each there and back three times.
    decoded = 6 * 9 * 250 + 256 * (250 + 250 + 249)
    assert [passes.count for passes in plain] == [12 * 249 + 256 * (249 + 250 + 249) + decoded]
    assert [passes.count for passes in guided] == [plain[0].count, GRADIENT * decoded]


def test_days_are_whole_from_a_hundred_on(paper):
    cells = [cell for line in plan(paper) for cell in map(str.strip, line.split("|")[4:-1])]
    printed = [cell for cell in cells if cell[:1].isdigit() and cell != "0"]
    assert {"." in cell for cell in printed} == {True, False}
    assert all(("." in cell) == (float(cell) < 100) for cell in printed)


def test_an_upsampled_run_costs_the_upsampler_alone(paper, costs):
    assert flops_of(costs["sample/stack-256-540k-500k"]) == 250 * 1563 * 32 * network_cost(paper.models["adm-u"]).flops


def test_single_precision_goes_by_its_own_peak(costs):
    runs = (costs[f"sample/{run}"] for run in ("scale-512-4", "scale-256-2"))
    single, half = (run[:1] for run in runs)
    expected = pytest.approx(flops_of(single) / (SINGLE_SHARE * 19.5e12))
    assert seconds_on(single, A100) == expected
    h100, a100, v100 = (seconds_on(half, device) for device in (H100, A100, V100))
    assert h100 < a100 < v100


def test_no_segment_takes_longer_than_a_week(paper, costs):
    gpus = paper.resources.train.world_size
    trained = {name: cost for name, cost in costs.items() if name.startswith("train/")}
    hours = {name: seconds_on(cost, A100) / gpus / 3600 for name, cost in trained.items()}
    assert {name: found for name, found in hours.items() if found > 168} == {}
    assert paper.resources.train.minutes == 168 * 60


def test_classifier_free_guidance_and_autoguidance_cost_a_second_pass(paper, costs):
    images = 32 * 1563
    for plain, guided in (("free-128-1", "free-128-2"), ("free-128-1", "auto-128-2")):
        model, weaker = (paper.models[name] for name in ("adm-128-free", "adm-128"))
        assert flops_of(costs[f"sample/{plain}"]) == 250 * images * network_cost(model).flops
        assert flops_of(costs[f"sample/{guided}"]) == 250 * images * (
            network_cost(model).flops + network_cost(weaker).flops
        )


def test_outside_the_interval_the_classifier_costs_nothing(paper, costs):
    run = paper.runs["limited-128-2"]
    guided = run.guided_steps(NoiseParams())
    assert 0 < guided < 250
    model, classifier = (paper.models[name] for name in ("adm-128", "classifier-128"))
    images = 64 * 782
    expected = images * (250 * network_cost(model).flops + 2 * guided * network_cost(classifier).flops)
    assert flops_of(costs["sample/limited-128-2"]) == expected


def test_a_guide_counts_where_it_is_another_models(paper):
    assert updates_of(paper, trained_for(paper, "auto-128-2")[0]) == {"adm-128": 4_360_000}
    run = paper.runs["auto-128-2"]
    of_another = run.model_copy(update={"guide": run.guide.model_copy(update={"checkpoint": "adm-128-free-250k"})})
    given = changed(paper, runs=paper.runs | {"auto-128-2": of_another})
    both = updates_of(given, trained_for(given, "auto-128-2")[0])
    assert both == {"adm-128": 4_360_000, "adm-128-free": 250_000}


def test_a_plan_tells_operations_and_days_wherever_the_file_lies(adm, root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    other = tmp_path / "what-if.yaml"
    other.write_text(f"base: {root / 'scales' / 'released' / 'params.yaml'}\n")
    code, lines, errors = adm("plan", "--params", "scales/released/params.yaml")
    assert (code, errors) == (0, "")
    assert [column for column in ("EFLOP", "A100-days") if column not in lines] == []
    assert adm("plan", "--params", other) == (0, lines, "")
    assert [path.name for path in tmp_path.iterdir()] == ["what-if.yaml"]
