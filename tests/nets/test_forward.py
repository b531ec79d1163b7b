"""Each forward pass asks for TensorFloat-32 by itself; fused blocks compute what the others do, in any layout."""

import shutil

import pytest
import torch

from adm.determinism import allow_tf32
from adm.nets.forward import AnyLayoutNorm, Forward, fuse
from adm.nets.layers import GroupNorm
from adm.training.state import TrainingState
from adm.training.tasks import build_task


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


LAYOUTS = [torch.contiguous_format, torch.channels_last]
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs g++ on a CPU")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_norm_of_elementary_operations_is_group_norm_and_keeps_the_layout(dtype, layout):
    draws = torch.Generator().manual_seed(0)
    norm = GroupNorm(64, 32).to(torch.promote_types(dtype, torch.float32))
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_(generator=draws)
    x = (3 * torch.randn(2, 64, 5, 6, generator=draws) + 1).to(dtype).contiguous(memory_format=layout)
    expected = norm(x.to(norm.weight.dtype)).to(dtype)
    norm.__class__ = AnyLayoutNorm
    found = norm(x)
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(found, expected)


def results(network, x, t, y):
    output = network(x, t, y)
    output.square().mean().backward()
    return [output.detach(), *(parameter.grad for parameter in network.parameters())]


@needs_compiler
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # which the compiler looks at
@pytest.mark.slow
@pytest.mark.parametrize("conditioning", ["adagn", "addition"])
def test_a_fused_network_has_the_outputs_and_gradients_of_the_other(tiny_model, randomised, conditioning):
    model = tiny_model(conditioning=conditioning, groups=8)
    draws = torch.Generator().manual_seed(1)
    batch = torch.randn(2, 3, 8, 8, generator=draws), torch.tensor([3, 40]), torch.tensor([0, 1])
    expected = results(randomised(model), *batch)
    network = randomised(model)
    names = list(network.state_dict())
    fuse(network)
    assert list(network.state_dict()) == names
    # Some gradients are zero but for rounding, such as those of a bias before its own normalisation.
    scale = max(float(other.abs().max()) for other in expected)
    for found, other in zip(results(network, *batch), expected, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-3, atol=1e-5 * scale)


def test_training_fuses_where_it_is_asked_to(tiny_model, randomised):
    for fused in (False, True):
        model = tiny_model(fused=fused)
        network = TrainingState(randomised(model), build_task(model), model.training).network
        assert any(isinstance(module, AnyLayoutNorm) for module in network.modules()) == fused
