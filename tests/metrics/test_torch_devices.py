"""Devices, precision and the compiler of the torch executor; no GPU is needed to know where its tensors are made."""

import shutil

import numpy as np
import pytest
import torch
from placement import META, OnlyOn
from tensorboard.compat.proto.graph_pb2 import GraphDef
from torch.utils._python_dispatch import TorchDispatchMode

from adm.metrics.freeze import freeze
from adm.metrics.small_extractor import ExtractorNetwork
from adm.metrics.torch_graph import TorchGraph, full_precision
from adm.metrics.torch_program import TorchProgram

FEATURES = ("pool", "spatial", "logits")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs g++ on a CPU")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, narrow_definition):
    path = tmp_path_factory.mktemp("narrow") / "narrow.pb"
    path.write_bytes(narrow_definition)
    return path


def images(num, side):
    return np.random.default_rng(0).integers(0, 256, (num, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(("num", "side"), [(2, 8), (3, 64), (1, 512)])
def test_every_tensor_is_made_on_the_device(inception, num, side):
    """The meta device computes shapes alone, and refuses any tensor that is elsewhere, as a GPU would."""
    program = TorchProgram(GraphDef.FromString(inception.read_bytes()), META)
    assert {value.device for value in program.constants.values()} == {META}
    with torch.inference_mode(), OnlyOn(META) as watched:
        outputs = program(torch.empty(num, side, side, 3, dtype=torch.uint8, device=META))
    assert [tuple(output.shape) for output in outputs] == [(num, 2048), (num, 2023), (num, 1008)]
    assert {output.dtype for output in outputs} == {torch.float32}
    assert watched.calls > 300


def test_kernels_are_laid_out_once(narrow):
    """A call copies no kernel: the layouts that convolutions get are those they were bound with."""
    program = TorchProgram(GraphDef.FromString(narrow.read_bytes()), torch.device("cpu"))
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            if function is torch.ops.aten.convolution.default:
                seen.append((arguments[0], arguments[1].data_ptr()))
                assert all(given.is_contiguous(memory_format=torch.channels_last) for given in arguments[:2])
            return function(*arguments, **(options or {}))

    with torch.no_grad(), Watch():
        program(torch.zeros(1, 8, 8, 3))
        program(torch.zeros(1, 8, 8, 3))
    assert len(seen) == 2 * 94
    assert [kernel for _, kernel in seen[:94]] == [kernel for _, kernel in seen[94:]]


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device 'gpu' is not there: "),
        ("cuda:99", "device 'cuda:99' is not there: "),
        ("xpu:99", "device 'xpu:99' is not there: "),
        ("meta", "device 'meta' is not there: "),
        ("", "device '' is not there: "),
    ],
)
def test_a_device_that_is_not_there_is_refused(narrow, device, message):
    with pytest.raises(ValueError, match=message) as caught:
        TorchGraph(narrow, device=device)
    assert "\n" not in str(caught.value)


def test_a_device_may_have_a_number(narrow):
    batch = images(2, 8)
    expected = TorchGraph(narrow).features(batch, 2)
    np.testing.assert_array_equal(TorchGraph(narrow, device="cpu:0").features(batch, 2).pool, expected.pool)


@pytest.mark.parametrize("asked_for", ["highest", "high", "medium"])
def test_products_are_of_float32_whatever_the_process_asked_for(asked_for):
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.mkldnn.matmul)
    usual = torch.get_float32_matmul_precision(), torch.backends.cudnn.conv.fp32_precision
    try:
        torch.set_float32_matmul_precision(asked_for)
        torch.backends.cudnn.conv.fp32_precision = "tf32"  # PyTorch's default
        before = [backend.fp32_precision for backend in backends]
        with full_precision():
            assert [backend.fp32_precision for backend in backends] == ["ieee"] * 3
        assert [backend.fp32_precision for backend in backends] == before
        assert torch.get_float32_matmul_precision() == asked_for
        with pytest.raises(KeyError), full_precision():
            raise KeyError
        assert [backend.fp32_precision for backend in backends] == before
    finally:
        torch.set_float32_matmul_precision(usual[0])
        torch.backends.cudnn.conv.fp32_precision = usual[1]


@pytest.mark.slow
def test_what_is_asked_for_reaches_the_compiler(narrow, monkeypatch):
    """The compiler's front end takes the whole graph as one; its back end, which takes minutes, is left out."""
    compiler = torch.compile
    asked = []

    def without_kernels(program, **options):
        asked.append(options)
        return compiler(program, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", without_kernels)
    batch = images(3, 16)
    expected = TorchGraph(narrow).features(batch, 2)
    assert asked == []
    got = TorchGraph(narrow, compiled=True).features(batch, 2)
    assert asked == [{"fullgraph": True, "dynamic": False}]
    for name in FEATURES:
        np.testing.assert_allclose(getattr(got, name), getattr(expected, name), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@needs_compiler
def test_a_compiled_graph_gives_the_same_features(tmp_path, monkeypatch):
    """Kernels and all, of the small extractor: those of the Inception graph take two minutes."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    path = tmp_path / "extractor.pb"
    path.write_bytes(freeze(ExtractorNetwork(num_classes=10, generator=torch.Generator().manual_seed(0))))
    batch = images(5, 8)
    expected = TorchGraph(path).features(batch, 4)
    got = TorchGraph(path, compiled=True).features(batch, 4)
    for name in FEATURES:
        assert getattr(got, name).dtype == np.float32
        np.testing.assert_allclose(getattr(got, name), getattr(expected, name), rtol=1e-5, atol=1e-5)
    assert list((tmp_path / "kernels").rglob("*.cpp"))
