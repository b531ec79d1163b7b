"""Every benchmark runs at its smallest and prints rows that agree with themselves; how fast it is counts nowhere."""

import re
import subprocess
import sys

import pytest
import torch

from adm.artifacts.code import verbs
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDPM, classifier_gradient, last, sample
from adm.nets.forward import Forward
from adm.training.tasks import Draw, build_task
from benchmarks.cases import SMALLEST
from benchmarks.plain import PlainTraining, plain, plain_sampling

TIMES = re.compile(r"(\S+) ms, theirs (\S+) ms, ratio (\S+) \((\S+)-(\S+)\)$")


@pytest.fixture
def printed(root):
    """The lines that a benchmark prints at its smallest."""

    def run(*names, succeeds=True):
        command = [sys.executable, "-m", "benchmarks", "--smallest", *names]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == succeeds, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("name", ["features", "loading", "training", "sampling"])
def test_two_times_and_their_ratio(printed, name):
    (line,) = printed(name)
    ours, theirs, ratio, lowest, highest = map(float, TIMES.search(line).groups())
    assert ours > 0
    assert lowest == ratio == highest  # one pair was timed
    assert ratio == pytest.approx(theirs / ours, rel=0.002, abs=0.006)


def test_the_released_arithmetic_gives_the_same_numbers(randomised):
    """What is timed beside ours computes the same: both networks, a loss, and a guided step without noise."""
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
    drawn = Draw(t, torch.ones(4), torch.randn_like(x_0))
    torch.testing.assert_close(task.losses(Forward(network), x_0, y, drawn)["loss"], their_loss, rtol=1e-4, atol=1e-5)

    diffusion = Diffusion.from_schedule("cosine", 1000, "1")
    step = DDPM(diffusion, lambda x, t: network(x, t, y), classifier_gradient(classifier, y, 2.0))
    ours = last(sample(step, x_0))
    torch.testing.assert_close(
        plain_sampling(theirs, their_classifier, diffusion, x_0, y, 2.0), ours, rtol=1e-4, atol=1e-4
    )


def test_both_distances_agree(printed):
    lines = printed("frechet")
    distances = [float(line.rpartition("distance ")[2]) for line in lines if "distance" in line]
    assert len(distances) == 4
    assert distances[::2] == pytest.approx(distances[1::2], rel=1e-6)


@pytest.mark.slow
def test_memory_of_every_stage_and_what_an_image_adds(printed):
    _, _, *lines = printed("memory")
    rows = {stage: tuple(map(float, numbers)) for stage, *numbers in (line.strip("| ").split(" | ") for line in lines)}
    assert rows.keys() >= {"prepare", "features", "reference", "sample", "gather", "evaluate"}
    for stage, (fewer, more, added) in rows.items():
        images = 8 if stage == "sample" else 16
        assert min(fewer, more) > 20
        # Both were rounded to a tenth of a MiB.
        assert added == pytest.approx((more - fewer) * 2**20 / (3 * images), abs=0.11 * 2**20 / (3 * images) + 1)


def test_verbs_start_without_heavy_libraries(printed):
    lines = printed("startup")
    started = [re.fullmatch(r"start-up of (\S+) +(\S+) s  imports (.*)", line).groups() for line in lines]
    assert {verb for verb, _, _ in started} <= set(verbs())
    assert all(float(seconds) > 0 for _, seconds, _ in started)
    assert {heavy for _, _, heavy in started} == {"[]"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which takes its time")
def test_without_a_gpu_one_line_says_so(root):
    command = [sys.executable, "-m", "benchmarks.gpu"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "gpu: skipped, there is no GPU here\n"


def test_every_benchmark_has_a_name_and_no_other_name_is_taken(root, printed):
    modules = {path.stem for path in (root / "benchmarks").glob("[a-z]*.py")} - {"cases", "clock", "plain", "gpu"}
    assert modules == {"startup", "frechet", "features", "loading", "training", "sampling", "memory"}
    assert printed("no-such-benchmark", succeeds=False) == []
