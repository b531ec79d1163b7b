"""Every benchmark runs at its smallest and prints rows that agree with themselves; how fast it is counts nowhere."""

import re
import subprocess
import sys

import pytest

from adm.artifacts.code import verbs

RATES = re.compile(r"(\S+) images/s, (?:TensorFlow|plain loop) (\S+) images/s, ratio (\S+)$")


@pytest.fixture
def printed(root):
    """The lines that a benchmark prints at its smallest."""

    def run(*names, succeeds=True):
        command = [sys.executable, "-m", "benchmarks", "--smallest", *names]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == succeeds, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("name", ["features", "training", "sampling"])
def test_two_rates_and_their_ratio(printed, name):
    (line,) = printed(name)
    ours, theirs, ratio = map(float, RATES.search(line).groups())
    assert ours > 0
    assert theirs > 0
    # One pair was timed; rates have three digits, the ratio two behind the point.
    assert ratio == pytest.approx(ours / theirs, rel=0.011, abs=0.006)


def test_both_distances_agree(printed):
    lines = printed("frechet")
    distances = [float(line.rpartition("distance ")[2]) for line in lines if "distance" in line]
    assert len(distances) == 4
    assert distances[::2] == pytest.approx(distances[1::2], rel=1e-6)


def test_verbs_start_without_heavy_libraries(printed):
    lines = printed("startup")
    started = [re.fullmatch(r"start-up of (\S+) +(\S+) s  imports (.*)", line).groups() for line in lines]
    assert {verb for verb, _, _ in started} <= set(verbs())
    assert all(float(seconds) > 0 for _, seconds, _ in started)
    assert {heavy for _, _, heavy in started} == {"[]"}


def test_every_benchmark_has_a_name_and_no_other_name_is_taken(root, printed):
    modules = {path.stem for path in (root / "benchmarks").glob("[a-z]*.py")} - {"clock"}
    assert modules == {"startup", "frechet", "features", "training", "sampling"}
    assert printed("no-such-benchmark", succeeds=False) == []
