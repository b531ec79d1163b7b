"""FID by another tool's protocol is that tool's, and what moves an FID is told as it is."""

import importlib
import json
import math

import numpy as np
import pytest
import torch
from inception_2015 import weights
from PIL import Image
from tensorboard.compat.proto.graph_pb2 import GraphDef
from torch_fidelity import calculate_metrics
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

import adm as package
from adm.config.metrics import RETRAINING
from adm.errors import UserError
from adm.evaluation import HALVES, LEAST_OF_THREE
from adm.metrics.executors import TorchGraph
from adm.metrics.frechet import frechet_distance
from adm.metrics.protocols import PROTOCOLS, antialiased, interpolated
from adm.metrics.statistics import feature_statistics

ABSENT = "is not installed: `make rivals`"


SHAPES = {"small": (2, 20, 33, 3), "large": (1, 350, 400, 3)}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(("name", "prepare"), [("pytorch_fid", interpolated), ("clean_fid", antialiased)])
def test_images_are_prepared_as_the_tools_do(root, kind, name, prepare):
    """The arrays were made by pytorch-fid 0.3.0 and clean-fid 0.1.35: every 23rd pixel of every 23rd line."""
    with np.load(root / "tests" / "golden" / "prepared.npz") as golden:
        expected = golden[f"{name}_{kind}"]
    images = np.random.default_rng(0).integers(0, 256, SHAPES[kind], dtype=np.uint8)
    found = prepare(torch.from_numpy(images), 299)
    assert found.shape == (len(images), 3, 299, 299)
    np.testing.assert_allclose(found[..., ::23, ::23].numpy(), expected, atol=1e-5)


def coloured(num, seed, contrast):
    """Noise of one colour an image, (N, 40, 40, 3)."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (num, 1, 1, 3)) + contrast * rng.normal(size=(num, 40, 40, 3))
    return images.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    for name, seed, contrast in (("samples", 1, 30), ("reference", 2, 60)):
        (root / name).mkdir()
        for number, image in enumerate(coloured(4, seed, contrast)):
            Image.fromarray(image).save(root / name / f"{number}.png")
    return root / "samples", root / "reference"


@pytest.fixture
def saved(inception, tmp_path, monkeypatch):
    """The weights of the graph where the tools look for those that they download."""
    torchvision = pytest.importorskip("torchvision", reason=f"torchvision {ABSENT}")
    names = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False).state_dict()
    names = [name for name in names if not name.endswith("num_batches_tracked")]
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    place.parent.mkdir(parents=True)
    torch.save(dict(zip(names, weights(GraphDef.FromString(inception.read_bytes())), strict=True)), place)
    return place


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the tool
def test_fid_is_that_of_pytorch_fid(inception, folders, saved):
    tool = pytest.importorskip("pytorch_fid.fid_score", reason=f"pytorch-fid {ABSENT}")
    expected = tool.calculate_fid_given_paths([*map(str, folders)], 4, torch.device("cpu"), 2048, 0)
    assert package.fid(*folders, inception, protocol="pytorch-fid", device="cpu") == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the tool
def test_fid_is_that_of_clean_fid(inception, folders, saved):
    """Its network in Python stands in for the file that it downloads, which scales pixels by 128 in place of 127.5."""
    features = pytest.importorskip("cleanfid.features", reason=f"clean-fid {ABSENT}")
    fid = importlib.import_module("cleanfid.fid")
    network = features.feature_extractor("pytorch_inception", torch.device("cpu"), use_dataparallel=False)
    scaled = lambda x: network(((x - 128) / 128 + 1) / 2 * 255)  # noqa: E731
    options = {"mode": "clean", "num_workers": 0, "batch_size": 4, "device": torch.device("cpu"), "verbose": False}
    expected = fid.compute_fid(*map(str, folders), custom_feat_extractor=scaled, **options)
    assert package.fid(*folders, inception, protocol="clean-fid", device="cpu") == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* do not exceed the 2048 pooled features")
def test_fid_is_that_of_torch_fidelity_and_of_the_evaluator(inception, folders, monkeypatch):
    given = weights(GraphDef.FromString(inception.read_bytes()))
    original = torch.nn.Module.load_state_dict

    def load(self, state, *rest, **options):
        if isinstance(self, fidelity.FeatureExtractorInceptionV3):
            own = [name for name in self.state_dict() if not name.endswith("num_batches_tracked")]
            state = dict(zip(own, given, strict=True))
            return original(self, state, strict=False)
        return original(self, state, *rest, **options)

    monkeypatch.setattr(torch.nn.Module, "load_state_dict", load)
    monkeypatch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
    options = {"input1": str(folders[0]), "input2": str(folders[1]), "batch_size": 4, "cuda": False, "cache": False}
    found = calculate_metrics(fid=True, verbose=False, save_cpu_ram=True, **options)
    expected = found["frechet_inception_distance"]
    for protocol in ("torch-fidelity", "evaluator"):
        assert package.fid(*folders, inception, protocol=protocol, device="cpu") == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def arrays():
    return coloured(48, 3, 30), coloured(64, 4, 60)


def test_what_moves_an_fid_is_what_it_becomes(graph, arrays):
    samples, reference = arrays
    found = package.score(samples, reference, graph, expect=1.0, device="cpu")
    fid, (low, high) = found["metrics"]["fid"], found["intervals"]["fid"]
    moves = {move["what"]: move for move in found["expected"]["moves"]}

    def of(samples, reference, protocol="evaluator"):
        executor = TorchGraph(graph, protocol=protocol)
        return frechet_distance(*(feature_statistics(executor.features(one).pool) for one in (reference, samples)))

    assert fid == pytest.approx(of(samples, reference), rel=1e-6)
    known = {
        f"images resized {PROTOCOLS[name].resize} ({name})": of(samples, reference, name)
        for name in ("pytorch-fid", "clean-fid")
    }
    for what, expected in known.items():
        assert moves[what]["fid"] == pytest.approx(expected, rel=1e-5), what
        assert moves[what]["change"] == pytest.approx(expected - fid, abs=1e-5), what
    rng, rows, points = np.random.default_rng(7), *(TorchGraph(graph).features(one).pool for one in arrays)
    for what, parts in (
        ("half as many samples, 24, on average", (rows, points, 24)),
        ("half of the reference's images, 32, on average", (points, rows, 32)),
    ):
        one, other, half = parts
        halves = [
            frechet_distance(feature_statistics(one[rng.permutation(len(one))[:half]]), feature_statistics(other))
            for _ in range(100)
        ]
        assert abs(moves[what]["fid"] - np.mean(halves)) < 4 * np.std(halves) / np.sqrt(HALVES), what
    assert 0 < abs(moves["features in bfloat16"]["change"]) < 0.05 * fid
    error = moves["another draw of samples, standard deviation"]["change"]
    assert error == pytest.approx((high - low) / 2 / 2.13, rel=0.1)  # Student's quantile of 15 degrees of freedom
    assert moves["another training, standard deviation as found for ImageNet"]["change"] == RETRAINING * error
    least = np.random.default_rng(0).normal(size=(200_000, 3)).min(axis=1).mean()
    assert pytest.approx(least, abs=0.01) == LEAST_OF_THREE


def test_an_expected_fid_lies_where_another_draw_would_or_not(graph, arrays):
    found = package.score(*arrays, graph, expect=0.0, device="cpu")
    low, high = (found["expected"][end] for end in ("low", "high"))
    of_mean = found["intervals"]["fid"]
    assert high - low == pytest.approx(math.sqrt(2) * (of_mean[1] - of_mean[0]))
    for expected, within in ((max(low, 0.0) + 1e-3, True), (high - 1e-3, True), (high + 1e-3, False)):
        found = package.score(*arrays, graph, expect=expected, device="cpu")
        assert found["expected"]["within"] is within
        assert found["expected"]["fid"] == expected
        assert set(found["metrics"]) == {"fid"}


def test_another_resizing_is_probed_on_images_that_lie_evenly(graph, arrays, monkeypatch):
    monkeypatch.setattr("adm.evaluation.PROBED", 16)
    samples, reference = arrays
    other = coloured(48, 9, 5)
    other[::3] = samples[::3]
    changes = []
    for one in (samples, other):
        moves = package.score(one, reference, graph, expect=1.0, device="cpu")["expected"]["moves"]
        changes.append([move["change"] for move in moves if "clean-fid" in move["what"] or "bfloat16" in move["what"]])
    assert changes[0] == pytest.approx(changes[1], rel=1e-4)


def test_intervals_change_no_score(graph, arrays):
    plain, wide = (package.score(*arrays, graph, further=True, intervals=on, device="cpu") for on in (False, True))
    assert plain["metrics"] == wide["metrics"]
    assert plain["further"] == {name: wide["further"][name] for name in plain["further"]}


def test_images_in_the_order_of_their_classes_are_told_as_any_others(graph):
    """Half of the samples, and the parts of the jackknife, are like draws: of sorted images the first half is dark."""
    rng = np.random.default_rng(0)
    dark, bright = coloured(120, 1, 20) // 4, 255 - coloured(120, 2, 20) // 4
    samples, reference = np.concatenate([dark[:60], bright[:60]]), np.concatenate([dark[60:], bright[60:]])
    found = []
    for one, other in ((samples, reference), (rng.permutation(samples), rng.permutation(reference))):
        report = package.score(one, other, graph, expect=1.0, device="cpu")
        moves = {move["what"]: move["change"] for move in report["expected"]["moves"]}
        found.append((report["metrics"]["fid"], np.diff(report["intervals"]["fid"])[0], moves))
    (fid, width, moves), (shuffled_fid, shuffled_width, shuffled_moves) = found
    assert fid == pytest.approx(shuffled_fid, rel=1e-5)
    assert width == pytest.approx(shuffled_width, rel=0.6)
    for what in ("half as many samples, 60, on average", "half of the reference's images, 60, on average"):
        assert moves[what] < 5 * max(shuffled_moves[what], 0.1 * fid)


@pytest.mark.filterwarnings("ignore:.* do not exceed the .* features")
def test_intervals_of_images_in_the_order_of_their_classes_are_as_wide(graph):
    """Every sixteenth of sorted images has all classes in equal shares, which sixteen draws have not."""
    rng = np.random.default_rng(0)
    dark, bright = coloured(320, 1, 20) // 4, 255 - coloured(320, 2, 20) // 4
    samples, reference = np.concatenate([dark[:240], bright[:80]]), np.concatenate([dark[240:], bright[80:]])
    of_sorted, of_shuffled = (
        package.score(one, reference, graph, intervals=True, device="cpu")["intervals"]
        for one in (samples, rng.permutation(samples))
    )
    for name in ("fid", "sfid"):
        assert np.diff(of_sorted[name])[0] == pytest.approx(np.diff(of_shuffled[name])[0], rel=0.6)


@pytest.mark.filterwarnings("ignore:.* do not exceed the 64 pooled features")
@pytest.mark.filterwarnings("ignore:both.npz. its statistics are of the evaluator's resizing")
def test_statistics_of_a_reference_are_of_the_evaluators_resizing(adm, graph, arrays, tmp_path):
    samples, reference = arrays
    features = TorchGraph(graph).features(reference)
    pool, spatial = feature_statistics(features.pool), feature_statistics(features.spatial)
    stored = {"mu": pool.mu, "sigma": pool.sigma, "mu_s": spatial.mu, "sigma_s": spatial.sigma}
    np.savez(tmp_path / "samples.npz", arr_0=samples)
    np.savez(tmp_path / "statistics.npz", **stored)
    np.savez(tmp_path / "both.npz", arr_0=reference, **stored)
    for name in ("pytorch-fid", "clean-fid"):
        with pytest.raises(UserError, match="holds statistics alone, of images that the evaluator resized"):
            package.fid(samples, tmp_path / "statistics.npz", graph, protocol=name, device="cpu")
        found = package.fid(samples, tmp_path / "both.npz", graph, protocol=name, device="cpu")
        assert found == package.fid(samples, reference, graph, protocol=name, device="cpu")
    call = ("score", tmp_path / "samples.npz", tmp_path / "statistics.npz", "--graph", graph, "--threads", 1)
    code, printed, _ = adm(*call, "--as", "torch-fidelity", "--expect", "4.02", "--out", tmp_path / "score.json")
    assert code == 0
    assert "as torch-fidelity computes it" in printed
    assert "4.02, which is expected, lies" in printed
    assert "half of the reference" not in printed  # FID is against its statistics
    assert "clean-fid" not in printed  # there are no images to resize
    assert json.loads((tmp_path / "score.json").read_text())["provenance"]["graph"]["protocol"] == "torch-fidelity"


def test_a_protocol_that_there_is_not_and_an_executor_that_has_none(adm, graph, arrays, tmp_path):
    with pytest.raises(UserError, match=r"protocol: 'cleanfid' is not accepted: .*'torch-fidelity'"):
        package.fid(*arrays, graph, protocol="cleanfid")
    np.savez(tmp_path / "samples.npz", arr_0=arrays[0])
    call = ("score", tmp_path / "samples.npz", tmp_path / "samples.npz", "--graph", graph, "--as", "clean-fid")
    code, _, message = adm(*call, "--executor", "tensorflow")
    assert code == 2
    assert "--as clean-fid: is not for executor 'tensorflow'" in message
    code, _, message = adm(*call, "--expect", "1", "--num-samples", "5")
    assert code == 2
    assert "--expect: " in message
    assert "has 5 of the 8 images" in message
