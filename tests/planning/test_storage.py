"""Bytes: those of files that the stages write, and of what their processes hold."""

import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from adm.artifacts.writing import new_folder
from adm.metrics.batches import write_features
from adm.metrics.features import Features
from adm.metrics.graph_contract import features_in_batches
from adm.nets.weights import build
from adm.params import check
from adm.pipeline import Pipeline
from adm.planning.costs import Machine, costs_of
from adm.planning.images import ImageCounts
from adm.planning.limits import limits_of
from adm.planning.storage import INCEPTION, stored_of
from adm.report.accelerators import A100
from adm.sampling.batch import Samples, write_shard
from adm.sampling.blocks import Shard, samples_of
from adm.stages import gather, prepare
from adm.training.extractor import initial_network
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task


def numbers_in(folder):
    """Bytes of the safetensors of a folder less their headers, and how many files there are."""
    files = list(folder.glob("*.safetensors"))
    headers = sum(8 + int.from_bytes(path.read_bytes()[:8], "little") for path in files)
    return sum(path.stat().st_size for path in files) - headers


@pytest.fixture
def stored(embedded_counts):
    """The bytes of what a job of the embedded scale writes."""
    return lambda job: stored_of(embedded_counts, embedded_counts.pipeline.jobs[job]).size


@pytest.fixture
def stored_at_the_papers(paper_counts):
    """What a job of the paper's scale writes."""
    return lambda job: stored_of(paper_counts, paper_counts.pipeline.jobs[job])


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


def test_datasets_are_as_large_as_they_are(embedded, stored, tmp_path):
    prepare.run(embedded.datasets["digits"], tmp_path / "digits")
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
    counts = ImageCounts(Pipeline(check({"datasets": datasets}, tmp_path / "params.yaml")))
    assert counts.datasets == {"photos": 4, "small": 4}
    prepare.run(counts.params.datasets["photos"].prepared, tmp_path / "store")
    assert files_in(tmp_path / "store") == stored_of(counts, counts.pipeline.jobs["prepare/photos"]).size


def test_files_that_are_not_here_count_as_imagenets(stored_at_the_papers):
    found = stored_at_the_papers("prepare/imagenet").size
    # The archive's 147.9 GB less tar's headers, and the index.
    assert found == pytest.approx(147_897_477_120 + 1_281_167 * 32, abs=2_000_000)


def test_held_out_images_are_counted_and_so_are_their_statistics(embedded, stored, tmp_path):
    section = embedded.datasets["digits"].model_copy(update={"held_out": 0.2})
    changed = embedded.model_copy(update={"datasets": embedded.datasets | {"digits": section}})
    counts = ImageCounts(Pipeline(changed))
    prepare.run(section, tmp_path / "digits")
    arrays = [np.load(path) for path in (tmp_path / "digits").glob("*.npy")]
    assert sum(array.nbytes for array in arrays) == stored_of(counts, counts.pipeline.jobs["prepare/digits"]).size
    more = stored_of(counts, counts.pipeline.jobs["reference/digits"]).size
    assert more - stored("reference/digits") == np.zeros(64).nbytes + np.zeros((64, 64)).nbytes


def test_features_are_as_large_as_they_are(embedded, stored, tmp_path):
    run = next(iter(embedded.runs))
    extractor = embedded.extractors[embedded.extractor_of(run)]
    network = initial_network(extractor, embedded.datasets[extractor.dataset].num_classes)
    with torch.no_grad():
        found = network.activations(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
        logits = network(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    count = embedded.runs[run].num_samples
    widths = found.pool.shape[1], found.spatial[..., :7].numel(), logits.shape[1]
    write_features(tmp_path, Features(*(np.zeros((count, width), np.float32) for width in widths)))
    with np.load(tmp_path / "features.npz") as arrays:
        assert sum(array.nbytes for array in arrays.values()) == stored(f"features/{run}")


def test_features_of_the_2015_graph_take_20_kb_an_image(stored_at_the_papers):
    assert INCEPTION == (2048, 2023, 1008)
    assert stored_at_the_papers("features/adm-256-1980k").size == 50_000 * 4 * (2048 + 2023 + 1008)
    assert stored_at_the_papers("dataset_features/imagenet-256").size == 1_281_167 * 4 * (2048 + 2023 + 1008)
    assert stored_at_the_papers("reference_features/imagenet-256").size == 10_000 * 4 * (2048 + 2023 + 1008)


@pytest.mark.parametrize("run", ["scale-512-4", "stack-256-540k-500k"])
def test_the_shards_of_a_run_are_as_large_as_the_whole(paper, stored_at_the_papers, run):
    whole = stored_at_the_papers(f"gather/{run}")
    shards = [stored_at_the_papers(f"sample_shard/{run}/{number}-of-8") for number in range(1, 9)]
    side = paper.image_size_of(run)
    assert whole.size == 50_000 * (3 * side * side + 8) == sum(shard.size for shard in shards)
    assert all(shard.temporary for shard in shards)
    assert not whole.temporary


def test_a_reference_holds_statistics_and_images(stored_at_the_papers):
    statistics = 8 * (2048 + 2048**2 + 2023 + 2023**2)
    assert stored_at_the_papers("reference/imagenet-256").size == statistics + 10_000 * 3 * 256**2


@pytest.mark.parametrize("scale", ["embedded_counts", "fashion_counts"])
def test_every_job_of_the_other_scales_is_counted(request, scale):
    found = costs_of(request.getfixturevalue(scale))
    for rule in ("prepare", "train", "train_gan", "sample_gan", "extractor", "features", "evaluate"):
        jobs = [cost for cost in found.values() if cost.job.rule == rule]
        assert jobs, rule
        stores = rule in ("prepare", "train", "sample_gan", "features")
        assert all((cost.stored.size > 0) == stores for cost in jobs), rule


def peak_of(function):
    """Bytes that a function holds at most beyond what was there before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_gathering_holds_one_shard(paper, tmp_path):
    run = paper.runs["adm-128-4360k"].model_copy(update={"num_samples": 512})
    (tmp_path / "input").write_text("")
    inputs, held = {"checkpoint": tmp_path / "input"}, {}
    # The first call alone imports and remembers things.
    for side in (16, 128, 160):
        for number in range(1, 9):
            count = len(samples_of(Shard(number, 8), 512, run.micro_batch))
            images, labels = np.zeros((count, side, side, 3), np.uint8), np.zeros(count, np.int64)
            write_shard(tmp_path / f"{number}.npz", run, inputs, Shard(number, 8), [Samples(images, labels)])
        shards = [tmp_path / f"{number}.npz" for number in range(1, 9)]
        held[side] = peak_of(lambda shards=shards, inputs=inputs: gather.run(run, inputs, shards, tmp_path / "out"))
    # The difference: buffers of a fixed size do not grow with the images.
    assert held[160] - held[128] == pytest.approx(512 / 8 * 3 * (160**2 - 128**2), rel=0.02)


def test_features_are_held_twice():
    widths = 2048, 2023, 1008

    def outputs(batch):
        return tuple(np.zeros((len(batch), width), np.float32) for width in widths)

    images = np.zeros((1024, 2, 2, 3), np.uint8)
    held = peak_of(lambda: features_in_batches(outputs, images, 64, None))
    assert held == pytest.approx(2 * 1024 * 4 * sum(widths), rel=0.1)


def test_limits_name_the_largest_and_what_is_granted(paper_counts, costs):
    found = limits_of(paper_counts, costs, Machine(A100))
    limits = {limit.job.partition("/")[0]: limit for limit in found if limit.unit == "GB"}
    granted = paper_counts.params.resources
    assert limits["gather"].here == 782 * 8 * (3 * 512 * 512 + 8) / 1e9
    assert limits["gather"].granted == granted.others.memory_mb / 1000
    assert limits["dataset_features"].granted == granted.features.memory_mb / 1000
    assert limits["reference"].job == "reference/bedroom"
    assert limits["reference"].here == 3_033_042 * 4 * sum(INCEPTION) / 1e9
    assert limits["reference"].larger == 10 * limits["reference"].here
    decoding = next(limit for limit in found if limit.unit == "cores")
    assert decoding.granted == 8 * 8
    # A stack of 512x512 starts from a batch of 128x128.
    assert limits["sample_shard"].here == 50_000 * (3 * 128 * 128 + 8) / 1e9
    assert limits["sample_shard"].granted == granted.sample.memory_mb / 1000
