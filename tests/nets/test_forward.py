"""Each forward pass asks for TensorFloat-32 by itself."""

import pytest
import torch

from adm.determinism import allow_tf32
from adm.nets.forward import Forward


@pytest.fixture
def denoiser(tiny_model, randomised):
    network = randomised(tiny_model())
    x, t, y = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 9]), torch.arange(2)
    return lambda precision: (Forward(network, precision), lambda forward: forward(x, t, y=y))


@pytest.fixture
def rounding():
    """How products and convolutions of float32 are computed on a GPU."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    yield lambda: [backend.allow_tf32 for backend in backends]
    for backend, allowed in zip(backends, before, strict=True):
        backend.allow_tf32 = allowed


def test_on_a_cpu_it_is_float32(denoiser, rounding):
    before = rounding()
    (plain, run), (tf32, _) = denoiser("float32"), denoiser("tf32")
    assert torch.equal(run(tf32), run(plain))
    assert rounding() == before


def test_on_a_gpu_each_pass_has_its_own(denoiser, rounding):
    allow_tf32(False)
    forwards = [denoiser(precision) for precision in ("tf32", "float32", "tf32", "float16")]
    for (forward, run), expected in zip(forwards, (True, False, True, False), strict=True):
        forward.device = torch.device("cuda")  # it computes on the CPU all the same
        run(forward)
        assert rounding() == [expected, expected]
