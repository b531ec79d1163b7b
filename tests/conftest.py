"""Fixtures of the whole suite: the command line, golden arrays, a tiny dataset, tiny models, their training."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import making
import numpy as np
import pytest
import torch
from hypothesis import settings
from platformdirs import user_cache_path

from adm import cli
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.metrics.small_extractor import ExtractorNetwork, freeze
from adm.nets.weights import build
from adm.parallel import CPU, Group
from adm.training.loop import train
from adm.training.state import TrainingState
from adm.training.tasks import build_task

pytest_plugins = ["miniature"]

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes seconds, or starts engines; `make test-fast` leaves it out")
    config.addinivalue_line("markers", "xdist_group(name): tests that one of several workers runs, one after another")
    settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
    # `make fuzz` asks for many more cases, other ones every time; its seed repeats them.
    cases = int(os.environ.get("ADM_FUZZ_CASES", "0"))
    settings.register_profile("fuzz", deadline=None, max_examples=max(cases, 1), database=None, print_blob=True)
    settings.load_profile("fuzz" if cases else "repeatable")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that tests start
    # A shell has what it starts in the background ignore Ctrl-C; what tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item):
    # Verbs that a test calls may leave more, and more threads than cores make each operation ten times as slow.
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A file's tests stay on one worker, which makes their fixtures once; groups with many slow tests begin.

    So that no worker has a long group left while the others have nothing.
    """
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))
    groups = {item: item.get_closest_marker("xdist_group").args[0] for item in items}
    slow = Counter(group for item, group in groups.items() if item.get_closest_marker("slow"))
    size = Counter(groups.values())
    items.sort(key=lambda item: (-slow[groups[item]], -size[groups[item]], groups[item]))


def arrays_of(name):
    with np.load(TESTS / "golden" / name) as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def golden():
    return arrays_of("reference.npz")


@pytest.fixture(scope="session")
def more_golden():
    return arrays_of("more.npz")


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def graph(tmp_path_factory):
    """A small graph with the 2015 graph's names."""
    path = tmp_path_factory.mktemp("graph") / "graph.pb"
    path.write_bytes(freeze(ExtractorNetwork(num_classes=10, generator=torch.Generator().manual_seed(0), width=8)))
    return path


@pytest.fixture(scope="session")
def compiled_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def programs(compiled_folder, monkeypatch):
    """List the programs in the cache folder; torch's compiler fills its own with headers once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(compiled_folder))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(compiled_folder / "torch"))
    return lambda: set(user_cache_path("adm").glob("compiled/*.pt2"))


@pytest.fixture
def adm(monkeypatch, capsys):
    """Run a verb in this process; return the exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["adm", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return (stopped.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def refused(adm):
    """The one line by which a command is refused."""

    def run(*arguments):
        code, _, err = adm(*arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert err.startswith("error: ")
        return err.removeprefix("error: ").rstrip("\n")

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A prepared dataset of 24 images of 8x8 pixels in two classes, dark and bright, in shards of 10; only read it."""
    labels = np.arange(24) % 2
    noise = np.random.default_rng(0).integers(0, 128, (24, 8, 8, 3))
    images = (labels[:, None, None, None] * 128 + noise).astype(np.uint8)
    return making.write_dataset(tmp_path_factory.mktemp("dataset") / "tiny", images)


@pytest.fixture(scope="session")
def dataset(data):
    return ImageShards(data, image_size=8)


@pytest.fixture(scope="session")
def tiny_model():
    return making.tiny_model


@pytest.fixture(scope="session")
def randomised():
    """Build a model's network, no weight of which is zero: a fresh network returns zeros whatever it sees."""

    def network(model, seed=0):
        draws = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            built = build(model)
            for parameter in built.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=draws))
        return built

    return network


class Run:
    """A model in training on the tiny dataset."""

    def __init__(self, model, dataset, network=None, device=CPU):
        self.model, self.training, self.group = model, model.training, Group(device=device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = network or build(model)
        self.state = TrainingState(network, build_task(model, device), self.training, device)
        options = self.training
        self.batches = Batches(
            dataset, model.network.image_size, options.batch_size, options.crop, options.flip, options.seeds.data
        )

    def to(self, stop):
        """Train until `stop`; return the reports."""
        return list(train(self.state, self.batches, self.training, stop, self.group))

    def files(self, folder):
        """The saved state as the bytes of its files."""
        folder.mkdir()
        self.state.save(folder)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def new_run(dataset):
    return lambda model, network=None, device=CPU: Run(model, dataset, network, device)
