"""Bytes: those of files that the stages write, and of what their processes hold."""

import tracemalloc

import numpy as np
import pytest
import torch
from making import make, record
from PIL import Image

from adm.artifacts.manifest import write_manifest
from adm.artifacts.reading import read_npy
from adm.artifacts.writing import new_folder
from adm.config.models import AveragesParams
from adm.data.shards import write_shards
from adm.metrics import distances
from adm.metrics.batches import write_features
from adm.metrics.features import LAYERS, Executor, Features
from adm.metrics.manifold import precision_recall
from adm.nets.weights import build
from adm.params import check
from adm.params.data import ReferenceParams
from adm.pipeline import Pipeline
from adm.pipeline.cost import INCEPTION
from adm.planning.costs import costs_of
from adm.planning.images import count_images
from adm.sampling.batch import Samples, write_shard
from adm.sampling.blocks import Shard, samples_of
from adm.stages import gather, prepare, reference
from adm.training.averages import PowerAverages
from adm.training.extractor import initial_network
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task

pytestmark = pytest.mark.xdist_group("planning")


def numbers_in(folder):
    """Bytes of the safetensors of a folder less their headers, and how many files there are."""
    files = list(folder.glob("*.safetensors"))
    headers = sum(8 + int.from_bytes(path.read_bytes()[:8], "little") for path in files)
    return sum(path.stat().st_size for path in files) - headers


@pytest.fixture
def stored(embedded):
    """The bytes of what a job of the embedded scale writes."""
    costs = costs_of(Pipeline(embedded))
    return lambda job: costs[job].writes


@pytest.fixture
def stored_at_the_papers(costs):
    """The bytes of what a job of the paper's scale writes."""
    return lambda job: costs[job].writes


@pytest.mark.parametrize("name", ["adm-128", "adm-u", "classifier-128"])
def test_checkpoints_are_as_large_as_they_are(embedded, stored, tmp_path, name):
    model = embedded.models[name]
    segment = next(key for key, section in embedded.segments.items() if section.model == name)
    torch.manual_seed(0)
    state, side = TrainingState(build(model), build_task(model), model.training), model.network.image_size
    with new_folder(tmp_path / "initial") as folder:
        state.save(folder)
    assert numbers_in(tmp_path / "initial") == stored(f"init/{name}")
    size = model.training.accumulation
    one = model.training.model_copy(update={"batch_size": size})
    train_step(state, one, torch.zeros(size, 3, side, side), torch.zeros(size, dtype=torch.int64))
    with new_folder(tmp_path / "trained") as folder:
        state.save(folder)
    assert numbers_in(tmp_path / "trained") == stored(f"train/{segment}")


def test_snapshots_of_a_chain_count_once(embedded, tmp_path):
    name, kept = "adm-128", AveragesParams(every=100)
    model = embedded.models[name]
    model = model.model_copy(update={"training": model.training.model_copy(update={"averages": kept})})
    changed = embedded.model_copy(update={"models": embedded.models | {name: model}})
    averages = PowerAverages(kept, build(model).state_dict())
    for before, stop in ((0, 250), (250, 450)):
        for step in (*range(before - before % 100 + 100, stop, 100), stop):
            (tmp_path / str(step)).mkdir()
            averages.save(tmp_path / str(step), step)
            averages.source = tmp_path / str(step)
    ends = {stop: {path.stat().st_ino for path in (tmp_path / str(stop)).iterdir()} for stop in (250, 450)}
    costs = costs_of(Pipeline(changed))
    plain = costs["init/adm-128"].writes // 2
    extra = {stop: costs[f"train/adm-128-{stop}"].writes - 4 * plain for stop in ends}
    assert extra == {250: len(ends[250]) * 2 * plain, 450: len(ends[450] - ends[250]) * 2 * plain}
    assert numbers_in(tmp_path / "450") == len(ends[450]) * 2 * plain


def test_datasets_are_as_large_as_they_are(embedded, stored, tmp_path):
    make(prepare, embedded.datasets["digits"], tmp_path / "digits")
    arrays = [np.load(path) for path in (tmp_path / "digits").glob("*.npy")]
    assert sum(array.nbytes for array in arrays) == stored("prepare/digits")


def files_in(folder):
    """Bytes of stored files and of arrays less their headers."""
    arrays = sum(np.load(path).nbytes for path in folder.glob("*.npy"))
    return arrays + sum(path.stat().st_size for path in folder.glob("*.bin"))


def test_stored_files_are_as_large_as_they_are(tmp_path):
    for number in range(5):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (9 + number, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    store = {"source": "folder", "root": str(tmp_path / "photos"), "num_classes": 2, "stored": "files", "limit": 4}
    datasets = {"photos": store, "small": {"of": "photos", "image_size": 8}}
    pipeline = Pipeline(check({"datasets": datasets}, tmp_path / "params.yaml"))
    counts = count_images(pipeline)
    assert counts.datasets == {"photos": 4, "small": 4}
    make(prepare, counts.params.datasets["photos"].prepared, tmp_path / "store")
    assert files_in(tmp_path / "store") == costs_of(pipeline)["prepare/photos"].writes


def test_files_that_are_not_here_count_as_imagenets(stored_at_the_papers):
    found = stored_at_the_papers("prepare/imagenet")
    # The archive's 147.9 GB less tar's headers, and the index.
    assert found == pytest.approx(147_897_477_120 + 1_281_167 * 32, abs=2_000_000)


def test_held_out_images_are_counted_and_so_are_their_features(embedded, stored, tmp_path):
    section = embedded.datasets["digits"].model_copy(update={"held_out": 0.2})
    changed = embedded.model_copy(update={"datasets": embedded.datasets | {"digits": section}})
    pipeline = Pipeline(changed)
    counts = count_images(pipeline)
    make(prepare, section, tmp_path / "digits")
    arrays = [np.load(path) for path in (tmp_path / "digits").glob("*.npy")]
    assert sum(array.nbytes for array in arrays) == costs_of(pipeline)["prepare/digits"].writes
    more = costs_of(pipeline)["reference/digits"].writes
    unseen = counts.datasets["digits"] - counts.trained_on("digits")
    assert more - stored("reference/digits") == np.zeros((unseen, 64), np.float32).nbytes


def test_features_are_as_large_as_they_are(embedded, stored, tmp_path):
    run = next(iter(embedded.runs))
    extractor = embedded.extractors[embedded.extractor_of(run)]
    network = initial_network(extractor, embedded.datasets[extractor.dataset].num_classes)
    with torch.no_grad():
        found = network.features(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    count = embedded.runs[run].num_samples
    widths = [layer.shape[1] for layer in found]
    write_features(tmp_path, count, [Features(*(np.zeros((count, width), np.float32) for width in widths))])
    assert sum(np.load(tmp_path / f"{layer}.npy").nbytes for layer in LAYERS) == stored(f"features/{run}")


def test_features_of_the_2015_graph_take_20_kb_an_image(stored_at_the_papers):
    assert INCEPTION == (2048, 2023, 1008)
    assert stored_at_the_papers("features/adm-256-1980k") == 50_000 * 4 * (2048 + 2023 + 1008)
    assert stored_at_the_papers("dataset_features/imagenet-256") == 1_281_167 * 4 * (2048 + 2023 + 1008)
    assert stored_at_the_papers("reference_features/imagenet-256") == 10_000 * 4 * (2048 + 2023 + 1008)


@pytest.mark.parametrize("run", ["scale-512-4", "stack-256-540k-500k"])
def test_the_shards_of_a_run_are_as_large_as_the_whole(paper, stored_at_the_papers, run):
    whole = stored_at_the_papers(f"gather/{run}")
    shards = [stored_at_the_papers(f"sample_shard/{run}/{number}-of-8") for number in range(1, 9)]
    side = paper.image_size_of(run)
    assert whole == 50_000 * (3 * side * side + 8) == sum(shards)


def test_a_reference_holds_statistics_and_images(stored_at_the_papers):
    statistics = 8 * (2048 + 2048**2 + 2023 + 2023**2)
    assert stored_at_the_papers("reference/imagenet-256") == statistics + 10_000 * 3 * 256**2


@pytest.mark.parametrize("scale", ["embedded", "fashion"])
def test_every_job_of_the_other_scales_is_counted(request, scale):
    found = costs_of(Pipeline(request.getfixturevalue(scale)))
    for rule in ("prepare", "train", "train_gan", "sample_gan", "extractor", "features", "evaluate"):
        jobs = [cost for cost in found.values() if cost.job.kind.name == rule]
        assert jobs, rule
        stores = rule in ("prepare", "train", "sample_gan", "features")
        assert all((cost.writes > 0) == stores for cost in jobs), rule


def peak_of(function):
    """Bytes that a function holds at most beyond what was there before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_gathering_holds_no_more_of_a_longer_run(paper, tmp_path):
    (tmp_path / "input").write_text("")
    inputs, side, held = {"checkpoint": tmp_path / "input"}, 32, {}
    # The first call alone imports and remembers things.
    for samples in (64, 1024, 4096):
        run = paper.runs["adm-128-4360k"].model_copy(update={"num_samples": samples})
        for number in (1, 2):
            count = len(samples_of(Shard(number, 2), samples, run.micro_batch))
            images, labels = np.zeros((count, side, side, 3), np.uint8), np.zeros(count, np.int64)
            write_shard(
                tmp_path / f"{number}.npz",
                run,
                record("sample", {"run": run}, inputs),
                Shard(number, 2),
                [Samples(images, labels)],
            )
        parts, made_by = (
            {f"shards/{n}-of-2": tmp_path / f"{n}.npz" for n in (1, 2)},
            record("sample", {"run": run}, inputs),
        )
        taken = run, parts, tmp_path / "out", made_by
        held[samples] = peak_of(lambda taken=taken: gather.run(*taken))
    assert held[4096] - held[1024] < 3072 * 3 * side**2 / 20


class Constant(Executor):
    """Features of the 2015 graph's widths that no graph computed."""

    def _outputs(self, batch):
        return tuple(np.zeros((len(batch), width), np.float32) for width in INCEPTION)


def test_features_are_held_a_batch_at_a_time(tmp_path):
    graph, held = Constant(tmp_path / "graph"), {}
    for count in (64, 256, 1024):
        images = np.zeros((count, 2, 2, 3), np.uint8)
        held[count] = peak_of(lambda images=images: write_features(tmp_path, len(images), graph.batches(images, 32)))
        assert read_npy(tmp_path / "pool.npy", "float32", (count, INCEPTION[0])).shape
    assert held[1024] - held[256] < 768 * 4 * sum(INCEPTION) / 20


def test_fitting_a_reference_holds_no_more_of_a_larger_dataset(tmp_path):
    side, widths, held = 8, (64, 64, 4), {}
    # Statistics are summed over thousands of rows at once.
    for count in (100, 9000, 24000):
        data, features = tmp_path / f"data-{count}", tmp_path / f"features-{count}"
        with new_folder(data) as folder:
            write_shards(folder, np.zeros((count, side, side, 3), np.uint8), np.zeros(count, np.int64), 1000)
            write_manifest(folder, record("prepare", {}, {}, []))
        with new_folder(features) as folder:
            write_features(folder, count, [Features(*(np.zeros((count, width), np.float32) for width in widths))])
            write_manifest(folder, record("features", {}, {"images": data, "graph": data}, []))
        section = ReferenceParams(dataset="d", extractor="e", num_images=count)
        held[count] = peak_of(lambda s=section, f=features, d=data: make(reference, s, f, d, tmp_path / "out"))
    assert held[24000] - held[9000] < 15000 * (3 * side**2 + 4 * sum(widths)) / 5


def test_neighbours_and_manifolds_hold_pooled_features_once(monkeypatch):
    """4 bytes a pooled feature of either set; a point's neighbours and bounds come on top."""
    monkeypatch.setattr(distances, "BLOCK", 256)
    width, held = 1024, {}
    for count in (100, 1000, 2000):
        first, second = (np.random.default_rng(seed).random((count, width), np.float32) for seed in (0, 1))
        held["neighbours", count] = peak_of(lambda a=first, b=second: distances.nearest(a, b, 3))
        held["manifolds", count] = peak_of(lambda a=first, b=second: precision_recall(a, b))
    for what in ("neighbours", "manifolds"):
        grown = held[what, 2000] - held[what, 1000]
        assert 2 * 1000 * 4 * width < grown < 1.5 * 2 * 1000 * 4 * width, what
