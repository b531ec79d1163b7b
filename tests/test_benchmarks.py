"""Every benchmark runs at its smallest and prints rows that agree with themselves; how fast it is counts nowhere.

What stands beside ours computes the same.
"""

import csv
import re
import struct
import subprocess
import sys
from itertools import product, zip_longest

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from adm.config.metrics import METRICS
from adm.determinism import generator
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDPM, classifier_gradient, last, sample, slope_of
from adm.metrics.executors import TorchGraph
from adm.metrics.frechet import distances_without, factor_of, frechet_distance
from adm.metrics.jackknife import jackknife, parts_of, sets_left_out
from adm.metrics.statistics import feature_statistics
from adm.nets.forward import Forward
from adm.nets.unet import NO_CLASS
from adm.pipeline import kinds
from adm.planning.recipe import LABEL_DROPOUT
from adm.report.compute import A100, H100, V100
from adm.training.tasks import build_task
from benchmarks import (
    features,
    finetuning,
    frechet,
    front,
    gpu,
    inpainting,
    intervals,
    levers,
    quality,
    recipes,
    shares,
    short_training,
    stack,
    stopping,
)
from benchmarks.cases import SMALLEST
from benchmarks.features import network
from benchmarks.plain import PlainTraining, plain, plain_sampling
from benchmarks.recipes import RECIPES
from benchmarks.table import HEADER, NAMES, RIVALS, show

ABSENT = "is not installed: `make rivals`"


@pytest.fixture
def called(monkeypatch, capsys):
    """Call the `main` of a benchmark with a command line, in this process, which has the libraries; what it printed."""

    def run(benchmark, *arguments):
        monkeypatch.setattr(sys, "argv", [benchmark.__name__, *map(str, arguments)])
        benchmark.main()
        return capsys.readouterr().out

    return run


def cells(lines):
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]


def installed(rivals):
    """Each rival with what it does; the test is skipped at the first that is not installed."""
    try:
        yield from rivals
    except ModuleNotFoundError as error:
        if error.name not in RIVALS:
            raise
        pytest.skip(f"{error.name} {ABSENT}")


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """The graph of the network of 2015, whose weights lie where libraries look for them."""
    return network(tmp_path_factory.mktemp("inception"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "startup"])
def test_two_times_and_their_ratio(name, capsys, monkeypatch, request):
    monkeypatch.setattr(features, "network", lambda folder: request.getfixturevalue("inception"))
    show(name, smallest=True)
    rows = cells(capsys.readouterr().out.splitlines())
    assert rows
    for _, rival, *times, ratio in rows:
        if ABSENT in rival:
            continue
        ours, theirs = map(float, times)
        median, lowest, highest = map(float, ratio.replace("(", "").replace(")", "").replace("-", " ").split())
        assert ours > 0
        assert lowest == median == highest  # one pair was timed
        assert median == pytest.approx(theirs / ours, rel=0.002, abs=0.006)


def test_verbs_start_without_heavy_libraries(root):
    command = [sys.executable, "-m", "benchmarks", "--smallest", "startup"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(HEADER)
    rows = cells(done.stdout.splitlines()[2:])
    started, imported = zip(*(what.split(", imports ") for what, *_ in rows), strict=True)
    assert {what.removeprefix("start-up of ") for what in started} <= {kind.verb for kind in kinds().values()}
    assert set(imported) == {"[]"}


def test_a_rival_that_is_not_installed_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, "benchmarks.diffusers", raising=False)
    show("diffusers", smallest=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert ABSENT in line
    assert line.count("|") == HEADER.splitlines()[0].count("|")

    monkeypatch.setitem(sys.modules, "benchmarks.training", None)
    with pytest.raises(ModuleNotFoundError):
        show("training", smallest=True)


def test_the_released_arithmetic_gives_the_same_numbers(randomised):
    """Both networks, a loss, and a guided step without noise."""
    case = SMALLEST[0]
    network, classifier = (randomised(params).eval().requires_grad_(False) for params in (case.model, case.classifier))
    x_0, y = case.batch_of_data()
    t = torch.tensor([0, 1, 500, 999])
    theirs, their_classifier = plain(network), plain(classifier)
    torch.testing.assert_close(theirs(x_0, t, y), network(x_0, t, y), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(their_classifier(x_0, t), classifier(x_0, t), rtol=1e-4, atol=1e-5)

    task = build_task(case.model)
    torch.manual_seed(0)
    their_loss = PlainTraining(network, task.diffusion, case.model.training).loss(x_0, y, t)
    torch.manual_seed(0)
    eps = torch.randn_like(x_0)
    torch.testing.assert_close(task.losses(Forward(network), x_0, y, t, eps)["loss"], their_loss, rtol=1e-4, atol=1e-5)

    diffusion = Diffusion.from_schedule("cosine", 1000, "1")
    step = DDPM(diffusion, lambda x, t: network(x, t, y), classifier_gradient(slope_of(classifier), y, 2.0))
    ours = last(sample(step, x_0))
    torch.testing.assert_close(
        plain_sampling(theirs, their_classifier, diffusion, x_0, y, 2.0), ours, rtol=1e-4, atol=1e-4
    )


@pytest.mark.filterwarnings("ignore")
def test_diffusers_gives_the_same_numbers(randomised):
    """The network with our weights, its loss, and a step without noise."""
    bench = pytest.importorskip("benchmarks.diffusers", reason=f"diffusers {ABSENT}")
    model = SMALLEST[0].simple_model
    network, theirs = randomised(model).eval().requires_grad_(False), bench.unet(model).eval()
    with torch.no_grad():
        for parameter, ours in zip(parameters_of_diffusers(theirs), parameters_for_diffusers(network), strict=True):
            parameter.copy_(ours.view_as(parameter))
    x_0, y = SMALLEST[0].batch_of_data()
    t = torch.tensor([0, 1, 500, 999])
    torch.testing.assert_close(theirs(x_0, t, y).sample, network(x_0, t, y), rtol=1e-4, atol=1e-5)

    task, eps = build_task(model), torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    loss = task.losses(Forward(network), x_0, y, t, eps)["loss"].mean()
    torch.testing.assert_close(
        bench.ExampleTraining(theirs, "float32").loss(x_0, y, t, eps), loss, rtol=1e-4, atol=1e-5
    )

    step = DDPM(Diffusion.from_schedule("cosine", 1000, "1", "beta"), lambda x, t: network(x, t, y))
    expected = (last(sample(step, x_0)) + 1) / 2
    torch.testing.assert_close(bench.pipeline_sampling(theirs.eval(), x_0, y, 1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_memory_of_stages_and_what_an_image_adds(root):
    command = [sys.executable, "-m", "benchmarks.memory", "--smallest"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    _, _, *lines = done.stdout.splitlines()
    rows = {stage: tuple(map(float, numbers)) for stage, *numbers in (line.strip("| ").split(" | ") for line in lines)}
    assert rows.keys() == {"prepare"}
    for fewer, more, added in rows.values():
        assert min(fewer, more) > 20
        # Of 16 images and of 64; both were rounded to a tenth of a MiB.
        assert added == pytest.approx((more - fewer) * 2**20 / 48, abs=0.11 * 2**20 / 48 + 1)


@pytest.mark.slow
def test_shares_of_time_are_a_whole(called):
    rows = cells(called(shares, "--smallest").splitlines()[4:])
    assert [row[0].split(",")[0] for row in rows] == ["training step", "guided sampling"]
    for _, *parts, rate in rows:
        assert sum(float(part.split()[0]) for part in parts) == pytest.approx(100, abs=4)
        assert float(parts[0].split()[0]) > 10
        assert float(rate) > 0


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "iterations"), [("adm", ["1", "2"]), ("gan", ["2"])])
def test_every_checkpoint_of_a_recipe_is_scored(called, kept, kind, iterations):
    name = next(iter(RECIPES[kind]))
    printed = called(recipes, "--smallest", "--folder", kept, kind, name, "--seeds", 7)
    rows = cells(printed.splitlines()[2:])
    assert [row[:3] for row in rows] == [[name, "7", number] for number in iterations]
    seconds = [float(row[3]) for row in rows]
    assert seconds[0] > 0
    assert seconds == sorted(seconds)
    for row in rows:
        fid, held_out, precision, recall = map(float, row[4:])
        assert min(fid, held_out) >= 0
        assert 0 <= min(precision, recall) <= max(precision, recall) <= 1


@pytest.mark.parametrize("clustered", [False, True])
def test_checkpoints_that_copy_half_of_their_samples_are_found_and_none_where_none_does(clustered):
    rng = np.random.default_rng(0)
    for share in (0.0, 0.5):
        right = [stopping.is_right(stopping.Sizes(500, 400, 100), share, clustered, rng) for _ in range(10)]
        assert sum(right) >= 8


def test_rules_of_stopping_are_tried_on_each_size(called, monkeypatch):
    monkeypatch.setattr(stopping, "SIZES", stopping.SIZES[:1])
    (row,) = cells(called(stopping, "--trials", 1).splitlines()[2:])
    assert all(int(count) in (0, 1) for cell in row[1:] for count in cell.split(";"))


def test_ways_to_inpaint_are_compared_with_the_truth(called):
    (row,) = cells(called(inpainting, "--resamplings", 1, "--draws", 2).splitlines()[2:])
    assert row[0] == "1"
    assert [len(cell.split(",")) for cell in row[1:]] == [2] * len(inpainting.COLUMNS)


@pytest.fixture
def garments(tmp_path, monkeypatch):
    draws = np.random.default_rng(0)
    for name, array in (
        ("train-images-idx3-ubyte", draws.integers(0, 256, (120, 28, 28), np.uint8)),
        ("t10k-images-idx3-ubyte", draws.integers(0, 256, (40, 28, 28), np.uint8)),
        ("train-labels-idx1-ubyte", np.repeat(np.arange(10, dtype=np.uint8), 12)),
    ):
        header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
        (tmp_path / name).write_bytes(header + array.tobytes())
    for module in (short_training, quality):
        monkeypatch.setattr(module, "FASHION", {**short_training.FASHION, "root": str(tmp_path)})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [quality.GUIDED, *(name for name in quality.CONTENDERS if "our settings" in name)])
def test_each_way_to_train_is_scored_and_a_second_call_goes_on(garments, name, tmp_path, monkeypatch, capsys):
    """As documented a rival's update may take a minute; of ours the one that is guided does all that others do."""
    monkeypatch.setattr(quality, "BATCH", 4)
    monkeypatch.setattr(quality, "ROUNDS", 2)
    monkeypatch.setattr(quality, "LEAST", 0.0)
    out = tmp_path / "quality.csv"
    own = 4 if quality.CONTENDERS[name].is_own_sampled else 0
    # Seconds for some updates on a busy machine, too.
    options = ["--out", str(out), "--budgets", "3", "--samples", "4", "--own-samples", str(own), "--judge", "2"]
    monkeypatch.setattr(sys, "argv", ["quality", "fashion", name, *options, "--seeds", "7"])
    quality.main()
    if ABSENT in (printed := capsys.readouterr().out):
        pytest.skip(printed)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {row["sampler"] for row in rows} == ({"fast", quality.OWN, quality.AS_MANY} if own else {"fast"})
    assert all(float(row["fid_held_out"]) > 0 for row in rows)
    before = out.read_text()
    quality.main()
    assert out.read_text() == before
    picture = tmp_path / "quality.png"
    monkeypatch.setattr(sys, "argv", ["quality", "--show", str(out), "--picture", str(picture)])
    quality.main()
    assert name in capsys.readouterr().out
    assert Image.open(picture).size[0] > 600


@pytest.fixture
def task():
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (40, 8, 8, 3), np.uint8)
    return quality.Task(images, np.repeat(np.arange(4), 10), 1)


@pytest.mark.parametrize("clusters", [0, 4])
def test_adm_new_is_trained_without_some_classes(clusters, task, monkeypatch):
    """Guidance of a network by itself would otherwise use what was never trained; clusters are classes of four."""
    seen = []

    def train_step(state, training, x_0, y, noise):
        seen.extend(y.tolist())
        state.step += 1

    monkeypatch.setattr(quality, "train_step", train_step)
    contender, draws = quality.AdmNew(task, 7, clusters=clusters), generator(0)
    assert (contender.task.labels == task.labels).all() == (not clusters)
    for _ in range(40):
        quality.update(contender, draws, 40)
    assert seen.count(NO_CLASS) / len(seen) == pytest.approx(LABEL_DROPOUT, abs=0.05)
    assert set(seen) == {NO_CLASS, 0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [name for name, entry in quality.CONTENDERS.items() if entry.is_own_sampled and not entry.labelled]
)
def test_a_librarys_own_sampler_draws_images(garments, name, monkeypatch):
    """The released code's, which is given classes, draws what is scored above."""
    monkeypatch.setattr(quality, "BATCH", 2)
    task, _ = quality.task_of("fashion")
    contender = next(installed(quality.made(quality.CONTENDERS[one], task, 7) for one in [name]))
    with torch.no_grad():
        images = contender.own_samples(contender.weights()[0])
    assert images.shape == (2, 1, 28, 28)
    assert -1.0001 <= images.min() < images.max() <= 1.0001


def test_the_average_is_that_of_adm_new_after_so_many_updates(task):
    contender, draws = quality.AdmNew(task, 7), generator(0)
    for _ in range(20):
        quality.update(contender, draws, 20)
    rate = contender.model.training.ema_rate
    for name, kept in contender.averages[rate].items():
        torch.testing.assert_close(kept, contender.state.ema[name], rtol=0, atol=0)
    for contender.state.step, rate in ((499, 0.95), (500, 0.99), (5000, 0.999)):
        assert contender.average() is contender.averages[rate]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_levers_are_trained_scored_and_compared_with_adm_new(garments, called, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(quality, "BATCH", 4)
    monkeypatch.setattr(quality, "ROUNDS", 2)
    monkeypatch.setattr(quality, "LEAST", 0.0)
    names = [
        levers.BASE,
        "batch 8, then 16, then 32",
        "rate falls linearly",
        "EDM's preconditioning and timesteps",
        "mirrored, told",
    ]
    (out := tmp_path / "levers.csv").touch()
    few = ["--out", out, "--budgets", "1", "--samples", "4", "--judge", "2", "--seeds", "7", "8"]
    called(levers, "fashion", *names, *few)
    rows = cells(called(levers, "--show", out).splitlines()[2:])
    assert [row[:2] for row in rows] == [[name, budget] for budget in ("1", "all") for name in names]
    assert [row[-1] for row in rows[: len(names)]] == [row[-1] for row in rows[len(names) :]]
    assert rows[0][4] == "1.00"
    assert all(float(row[-1].split()[0]) > 0 for row in rows)


@pytest.mark.parametrize("name", levers.LEVERS)
def test_a_lever_makes_a_model_that_is_accepted(task, name):
    """Timesteps that it chooses are some of the process, and many of them."""
    model = levers.LEVERS[name].of(task.model("x_0, simple, min-SNR 5", 7))
    if (choose := levers.LEVERS[name].timesteps) is not None:
        alpha_bar = torch.linspace(0.9999, 0.0001, model.noise.timesteps, dtype=torch.float64)
        t = choose(torch.linspace(0.001, 0.999, 16), alpha_bar)
        assert t.min() >= 0
        assert t.max() < model.noise.timesteps
        assert len(t.unique()) > 8


@pytest.mark.slow
def test_ways_to_sample_are_scored_and_a_second_call_goes_on(garments, called, tmp_path, monkeypatch):
    monkeypatch.setattr(front, "BATCH", 8)
    out = tmp_path / "front.csv"
    few = ["fashion", "fashion", "--out", out, "--samples", "16", "--judge", "2", "--ways", "2m 5", "sde 12"]
    for guidances in (["none"], ["none", "1.5 in 0.1-0.6"]):
        called(front, *map(str, few), "--guidances", *guidances)
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert [(row["guidance"], row["way"]) for row in rows] == [(g, way) for g in guidances for way in few[-2:]]
        assert all(float(row["low"]) < float(row["fid"]) < float(row["high"]) for row in rows)
    found = {
        tuple(row[:2]): row[4] for row in cells(called(front, "--show", str(out)).replace("**", "").splitlines()[2:])
    }
    assert found["sde 12", "none"] == ""
    assert re.fullmatch(r"[+-][\d.]+ \([+-][\d.]+ to [+-][\d.]+\)", found["2m 5", "none"])


def test_differences_of_fids_that_share_their_seeds_are_told_and_found():
    """Of two samplers of the same distribution 95 % of intervals hold zero; of one that is too narrow, few do."""
    rng, scale = np.random.default_rng(0), np.linspace(0.3, 1.5, 16)
    real = feature_statistics(np.float32(rng.normal(size=(2000, 16)) * scale))
    factor = factor_of(real.sigma)

    def kept(shared, width):
        rows = np.float32((0.8 * shared + 0.6 * rng.normal(size=shared.shape)) * width * scale)
        without = distances_without(rows, parts_of(len(rows)), sets_left_out(len(rows)), real, factor)
        spread = jackknife(frechet_distance(real, feature_statistics(rows)), without, len(rows))
        return " ".join(map(str, spread.folded().values))

    held = {1.0: 0, 0.85: 0}
    for _ in range(40):
        shared = rng.normal(size=(400, 16))
        of_first = kept(shared, 1.0)
        for width in held:
            found = front.difference(kept(shared, width), of_first)
            held[width] += found.low <= 0 <= found.high
    assert held[1.0] >= 35
    assert held[0.85] <= 5


@pytest.mark.slow
def test_upsamplers_of_noisy_images_are_compared_and_a_second_call_goes_on(garments, called, tmp_path, monkeypatch):
    monkeypatch.setattr(stack, "BATCH", 4)
    out = tmp_path / "stack.csv"
    few = f"--out {out} --share 0.002 --samples 4 --judge 2 --steps 2 2 --seeds 7".split()
    for noises, count in ((["0.1"], 2), (["0.0", "0.1"], 3)):
        called(stack, *few, "--noises", *noises)
        assert len(out.read_text().splitlines()) == 1 + count
    at_once = tmp_path / "at_once.csv"
    called(stack, *few, "--out", at_once, "--noises", "0.0", "0.1")
    assert sorted(at_once.read_text().splitlines()) == sorted(out.read_text().splitlines())
    rows = cells(called(stack, "--show", out).splitlines()[2:])
    assert [row[:2] for row in rows] == [["0", "0"], ["0.1", "0"], ["0.1", "0.05"]]


def test_images_that_are_divided_are_denoised_as_by_edm(task):
    """D(x) = c_skip x + c_out F(c_in x), where x = x_t / sqrt(alpha_bar) has noise of standard deviation sigma.

    Source: Karras et al. (2022), Table 1.
    """
    lever = levers.LEVERS["EDM's preconditioning and timesteps"]
    trained = levers.Tried(task, 7, lever)
    (weights,) = trained.weights()
    network, unit = weights.predict, trained.unit
    torch.nn.init.normal_([*network.parameters()][-2], std=0.1)  # of the last convolution, which begins with zeros
    alpha_bar = np.cumprod(1 - weights.betas)
    y, draws = torch.zeros(2, dtype=torch.int64), generator(0)
    denoise = trained.denoiser(weights, y)
    for t in (100, 500, 900):
        at, a = torch.full((2,), t), float(alpha_bar[t])
        x_t = torch.randn(2, task.channels, *task.images.shape[1:3], generator=draws)
        sigma, x = ((1 - a) / a) ** 0.5 * unit, x_t * unit / a**0.5
        whole = (sigma**2 + unit**2) ** 0.5
        F_of = -network(x / whole, at, y)
        D = unit**2 / whole**2 * x + sigma * unit / whole * F_of
        found = unit * (a**0.5 * x_t - (1 - a) ** 0.5 * denoise(x_t, at))
        torch.testing.assert_close(found, D.clamp(-1, 1), rtol=0.05, atol=0.05)


def test_ratios_are_paired_by_seed_and_over_the_budgets_that_all_seeds_have():
    rows = [("a", 1, 60, 2.0), ("a", 2, 60, 4.0), ("a", 1, 120, 1.0), ("a", 2, 120, 1.0)]
    rows += [("b", 1, 60, 4.0), ("b", 2, 60, 2.0), ("b", 1, 120, 9.0), ("c", 1, 60, 6.0)]
    columns = ["contender", "seed", "seconds", "fid"]
    logs = np.log(pd.DataFrame(rows, columns=columns).pivot(index=columns[:2], columns="seconds", values="fid"))
    of_all = quality.ratios_to(logs, "a")["all"]
    assert np.exp(of_all.loc["b"]).tolist() == pytest.approx([2.0, 0.5])
    assert quality.ratio_of(of_all.loc["b"]).startswith("1.00 (0.00-")
    assert quality.ratio_of(of_all.loc["c"]) == "3.00"
    assert quality.ratios_to(logs, "d").isna().all(axis=None)


def test_noise_of_small_images_is_as_told_and_stays_in_range():
    x, draws = torch.zeros(4, 1, 50, 50), generator(0)
    assert float(stack.noisy(x, 0.1, draws).std()) == pytest.approx(0.1, rel=0.05)
    assert float(stack.noisy(x + 1, 0.5, draws).max()) == 1


@pytest.mark.slow
def test_fine_tuning_and_training_from_scratch_are_compared(garments, called, monkeypatch):
    monkeypatch.setattr(finetuning, "BLOCK", 10)
    few = "--first 1 --seeds 7 --iterations 1 --batch 4 --samples 10 --judge 2"
    rows = cells(called(finetuning, "fashion", *few.split()).splitlines()[4:])
    assert [row[3] for row in rows] == ["scratch", "garments"]
    assert all(float(row[4]) > 0 for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which takes its time")
def test_without_a_gpu_one_line_says_so(called):
    (line,) = called(gpu).splitlines()
    assert "no GPU" in line


@pytest.mark.slow
def test_what_a_gpu_is_accepted_by_runs_on_a_cpu(called, monkeypatch):
    monkeypatch.setattr(gpu, "STEPS", "2")
    printed = called(gpu, "--smallest", "--device", "cpu", "--eager")
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    for word in ("training adm-128", "guided sampling", "32x16x8x8"):
        assert sum(word in row for row in rows) == 1


def parameters_of_diffusers(unet):
    """Its parameters, from the input to the output, as ours are ordered."""
    layers = [unet.time_embedding, unet.class_embedding, unet.conv_in]
    for part in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        attentions = getattr(part, "attentions", [])
        for residual, attention in zip_longest(part.resnets, attentions):
            layers += [residual] if attention is None else [residual, attention]
        layers += getattr(part, "downsamplers", None) or getattr(part, "upsamplers", None) or []
    for layer in (*layers, unet.conv_norm_out, unet.conv_out):
        yield from layer.parameters()


def parameters_for_diffusers(network):
    """Our parameters, in our order; queries, keys and values apart."""
    for name, module in network.named_modules():
        if name.endswith("qkv"):
            heads = module.out_channels // 3 // network.params.head_channels
            for part in range(3):
                for parameter in module.parameters():
                    yield parameter.view(heads, 3, -1, *parameter.shape[1:])[:, part].flatten(0, 1)
        elif not [*module.children()]:
            yield from module.parameters()


@pytest.mark.filterwarnings("ignore")
def test_azula_gives_the_same_numbers(randomised):
    """All steps of DDIM, on the levels of our process."""
    bench = pytest.importorskip("benchmarks.azula", reason=f"azula {ABSENT}")
    case, steps = SMALLEST[0], 5
    network = randomised(case.model).eval().requires_grad_(False)
    x_T, y = case.batch_of_data()
    diffusion = Diffusion.from_schedule("cosine", 1000, str(steps))
    levels = torch.from_numpy(np.append(1.0, diffusion.alpha_bar)).float()

    def schedule(t):
        alpha_bar = levels[(t * steps).round().long()]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def denoiser(x, t):
        # Azula finds a timestep by its noise; rounding may move it by one.
        nearest = diffusion.timesteps[(diffusion.timesteps - t[:1]).abs().argmin()]
        assert (nearest - t).abs().max() <= 1
        return network(x, nearest.expand(len(x)), y)

    expected = last(sample(DDIM(diffusion, denoiser), x_T))
    theirs = bench.azula_sampler(denoiser, "ddim", steps, schedule)(x_T)
    torch.testing.assert_close(theirs, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_network_of_features_gives_the_same(inception):
    """Images of the network's own size, so that resizing does not count."""
    patches = np.random.default_rng(0).integers(0, 256, (2, 13, 13, 3), dtype=np.uint8)
    images = patches.repeat(23, axis=1).repeat(23, axis=2)
    ours = TorchGraph(inception).features(images, len(images)).pool
    for rival, extractor in installed(features.rivals(inception)):
        theirs = extractor(images)
        # The last two scale pixels to (x - 127.5) / 127.5, not to (x - 128) / 128.
        tolerance = 0.02 if rival in ("pytorch-fid", "clean-fid") else 1e-4
        assert np.linalg.norm(theirs - ours) < tolerance * np.linalg.norm(ours), rival


@pytest.mark.filterwarnings("ignore")
def test_every_distance_gives_the_same():
    pair = frechet.gaussians(64, 256)
    ours = frechet_distance(*pair)
    for rival, distance in installed(frechet.rivals()):
        assert distance(*pair) == pytest.approx(ours, rel=1e-6), rival


@pytest.mark.slow
def test_every_metric_and_comparison_has_a_told_and_a_true_spread(called, tmp_path):
    out = tmp_path / "intervals.csv"
    called(intervals, "--smallest", "--out", out)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    comparisons = {row["comparison"] for row in rows}
    assert len(comparisons) == 7
    with_intervals = {name for name, metric in METRICS.items() if metric.intervals}
    assert {(row["metric"], row["comparison"]) for row in rows} == set(product(with_intervals, comparisons))
    for row in rows:
        assert 0 <= float(row["coverage"]) <= 1
        assert min(float(row["told"]), float(row["true"])) > 0


@pytest.mark.parametrize(
    ("driver_name", "device", "tf32_flops"),
    [
        ("Tesla V100-SXM2-32GB", V100, 15.7e12),
        ("NVIDIA A100 80GB PCIe", A100, 156e12),
        ("NVIDIA H100 80GB HBM3", H100, 494.5e12),
    ],
)
def test_a_gpu_is_known_by_its_drivers_name(driver_name, device, tf32_flops):
    found = [gpu.peak_flops(driver_name, precision) for precision in ("float32", "tf32", "bfloat16", "float16")]
    assert found == [device.single_flops, tf32_flops, device.half_flops, device.half_flops]
    assert gpu.peak_flops("NVIDIA H100 PCIe", "float16") is None  # another peak, which is not known
