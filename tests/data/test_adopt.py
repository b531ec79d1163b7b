"""Published files become the project's own artifacts, or are refused in one line that says why."""

import hashlib

import numpy as np
import pytest
import torch
from making import make, refusal_of

from adm.artifacts.manifest import read_manifest
from adm.errors import UserError
from adm.metrics.batches import GRAPH, REFERENCE, read_reference
from adm.nets import presets, release
from adm.nets.checkpoints import load_network
from adm.nets.release import to_released
from adm.params.data import (
    PublishedCheckpointParams,
    PublishedGraphParams,
    PublishedReferenceParams,
    PublishedSamplesParams,
)
from adm.sampling.batch import read_batch
from adm.stages import adopt, fetch

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def adopted(tmp_path):
    """Fetch and adopt a file of `tmp_path`: `adopted("samples", "a.npz", num_samples=12)`."""

    def run(kind, name, model=None, **section):
        section["url"] = (tmp_path / name).as_uri()
        match kind:
            case "checkpoint":
                published = PublishedCheckpointParams(**{"model": "tiny", "iteration": 500} | section)
            case "samples":
                published = PublishedSamplesParams(**{"image_size": 8, "num_samples": 12, "reference": "a"} | section)
            case "reference":
                published = PublishedReferenceParams(**{"image_size": 8, "extractor": "inception"} | section)
            case "graph":
                published = PublishedGraphParams(feature_batch=8, threads=1, **section)
        make(fetch, published, tmp_path / "fetched")
        make(adopt, published, model, tmp_path / "fetched", tmp_path / "adopted")
        return tmp_path / "adopted"

    return run


@pytest.fixture
def refused(adopted, tmp_path):
    def run(*arguments, **section):
        message = refusal_of(adopted, *arguments, **section)
        assert not (tmp_path / "adopted").exists()
        return message

    return run


KINDS = ["diffusion", "upsampler", "classifier"]


@pytest.mark.parametrize(("kind", "legacy"), zip(KINDS, (False, True, False), strict=True))
def test_a_checkpoint_is_loaded_as_if_it_were_ours(tmp_path, adopted, tiny_model, randomised, kind, legacy):
    model = tiny_model(kind)
    network = randomised(model)
    state = to_released(network.state_dict())
    torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    out = adopted("checkpoint", "a.pt", model)
    loaded = load_network(out, model).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items())
    assert read_manifest(out, "adopt").facts["step"] == 500


def test_half_precision_is_widened(tmp_path, adopted, tiny_model, randomised):
    model = tiny_model()
    state = {name: tensor.half() for name, tensor in randomised(model).state_dict().items()}
    torch.save(to_released(state), tmp_path / "a.pt")
    loaded = load_network(adopted("checkpoint", "a.pt", model), model).state_dict()
    assert all(torch.equal(loaded[name], tensor.float()) for name, tensor in state.items())


def test_tensors_that_differ_are_named(tmp_path, refused, tiny_model, randomised):
    state = to_released(randomised(tiny_model(num_classes=3)).state_dict())
    torch.save(state, tmp_path / "a.pt")
    message = refused("checkpoint", "a.pt", tiny_model())
    assert "does not fit model 'tiny'; 1 tensor differs: label_emb.weight is (3, 128), not (2, 128)" in message
    assert "preset" not in message
    torch.save(dict(list(state.items())[:-5]), tmp_path / "a.pt")
    message = refused("checkpoint", "a.pt", tiny_model(num_classes=3))
    assert "5 tensors differ" in message
    assert message.count("is missing, not") == 3


def test_a_preset_that_fits_is_named(tmp_path, refused, tiny_model, randomised, monkeypatch):
    kinds = {kind: tiny_model(kind, num_classes=7).network for kind in KINDS}
    for module in (presets, release):
        monkeypatch.setattr(module, "PRESETS", {f"a_{kind}": network for kind, network in kinds.items()})
    for kind in KINDS:
        torch.save(to_released(randomised(tiny_model(kind, num_classes=7)).state_dict()), tmp_path / "a.pt")
        assert refused("checkpoint", "a.pt", tiny_model()).endswith(f"; the file fits preset a_{kind}")


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_samples_keep_their_labels(tmp_path, adopted, dtype):
    np.savez(tmp_path / "a.npz", IMAGES, np.arange(12, dtype=dtype))
    images, labels = read_batch(adopted("samples", "a.npz", num_samples=9))
    assert np.array_equal(images, IMAGES[:9])
    assert labels.tolist() == list(range(9))


def test_samples_without_labels_are_of_class_zero(tmp_path, adopted):
    np.savez_compressed(tmp_path / "a.npz", IMAGES)
    out = adopted("samples", "a.npz")
    images, labels = read_batch(out)
    assert np.array_equal(images, IMAGES)
    assert labels.tolist() == [0] * 12
    assert read_manifest(out, "adopt").facts == {"num_samples": 12, "published_samples": 12, "labelled": False}


WRONG_SAMPLES = {
    "side": ((IMAGES[:, 1:],), "arr_0: holds images of 7x8, not of image_size 8"),
    "count": ((IMAGES[:5],), "arr_0: holds 5 of the 12 images"),
    "labels": ((IMAGES, np.zeros(11, np.int64)), "arr_1: has shape (11,), not (12)"),
    "label type": ((IMAGES, np.zeros(12)), "arr_1: has dtype float64, not integers"),
}


@pytest.mark.parametrize("case", WRONG_SAMPLES)
def test_wrong_samples_are_described(tmp_path, refused, case):
    arrays, message = WRONG_SAMPLES[case]
    np.savez(tmp_path / "a.npz", *arrays)
    assert message in refused("samples", "a.npz")


def statistics(dtype=np.float64):
    rng = np.random.default_rng(1)
    made = {"mu": rng.random(4), "sigma": np.cov(rng.random((4, 9)))}
    made |= {"mu_s": rng.random(3), "sigma_s": np.cov(rng.random((3, 9)))}
    return {name: array.astype(dtype) for name, array in made.items()}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_reference_is_read_as_ours_are(tmp_path, adopted, dtype):
    given = statistics(dtype)
    np.savez(tmp_path / "a.npz", arr_0=IMAGES, **given)
    out = adopted("reference", "a.npz")
    pool, spatial, _ = read_reference(out)
    found = {"mu": pool.mu, "sigma": pool.sigma, "mu_s": spatial.mu, "sigma_s": spatial.sigma}
    assert all(np.array_equal(found[name], given[name]) for name in given)
    assert all(array.dtype == np.float64 for array in found.values())
    with np.load(out / REFERENCE) as arrays:
        assert np.array_equal(arrays["arr_0"], IMAGES)


def test_a_reference_without_its_covariance_is_refused(tmp_path, refused):
    np.savez(tmp_path / "a.npz", arr_0=IMAGES, **statistics() | {"sigma_s": np.eye(4)})
    assert "mu_s and sigma_s: mean of shape (3,) with covariance of shape (4, 4)" in refused("reference", "a.npz")


def test_a_graph_stays_as_it_is(tmp_path, adopted):
    (tmp_path / "a.pb").write_bytes(b"a graph")
    out = adopted("graph", "a.pb")
    assert (out / GRAPH).read_bytes() == b"a graph"
    assert read_manifest(out, "adopt").files == {GRAPH: hashlib.sha256(b"a graph").hexdigest()}


def test_a_fetched_file_that_changed_is_refused(tmp_path, adopted):
    (tmp_path / "a.pb").write_bytes(b"a graph")
    adopted("graph", "a.pb")
    published = PublishedGraphParams(feature_batch=8, threads=1, url=(tmp_path / "a.pb").as_uri())
    (tmp_path / "fetched" / "a.pb").write_bytes(b"another")
    with pytest.raises(UserError, match="is not the file that was written"):
        make(adopt, published, None, tmp_path / "fetched", tmp_path / "again")
