"""Compiled programs: that they compute what they are compiled from, and who shares them."""

import hashlib
import os
import signal
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path
from unittest import mock

import pytest
import torch
from making import tiny_model
from torch import nn
from torch.nn import functional as F

from adm.diffusion.samplers import slope_of
from adm.errors import UserError
from adm.machine import cpp_compiler
from adm.nets import programs as module
from adm.nets.forward import Forward
from adm.nets.programs import compiled
from adm.nets.weights import initial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("compiler"),  # on one worker, which tries once what the compiler can
    pytest.mark.skipif(cpp_compiler() is None, reason="torch's compiler needs a C++ compiler"),
]

IMPORTED = os.pathsep.join(map(str, Path(__file__).parents[:2]))
"""Where a process of a test finds this module and those that it imports."""


class Small(nn.Module):
    """A convolution, a norm and a constant, which is no weight."""

    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convolution, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.requires_grad_(False)

    def forward(self, x, t, shift=None):
        features = F.silu(self.norm(self.convolution(x)) + t[:, None, None, None] * torch.tensor([0.5]))
        return features if shift is None else features + shift


def arguments(batch=2):
    draws = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, 5, 5, generator=draws), torch.rand(batch, generator=draws)


def test_networks_of_an_architecture_share_a_program_and_each_computes_by_its_own_weights(programs):
    before = programs()
    for seed in range(3):
        network = Small(seed)
        torch.testing.assert_close(compiled(network, network)(*arguments()), network(*arguments()))
    assert len(programs() - before) == 1


def test_shapes_layouts_and_named_arguments_have_programs_of_their_own(programs):
    network, before = Small(0), programs()
    program = compiled(network, network)
    x, t = arguments()
    turned = x.to(memory_format=torch.channels_last)
    shift = torch.randn(8, 1, 1)
    for given, named in (((x, t), {}), ((turned, t), {}), ((x, t), {"shift": shift})):
        torch.testing.assert_close(program(*given, **named), network(*given, **named))
    assert len(programs() - before) in (2, 3)  # the first one may be of the test before


class Norms(nn.Module):
    """Normalisations of one input each, and of their slopes: of images and tokens, in few and many groups."""

    CASES = (
        (4, (2, 8, 5, 5), torch.float32, 0.0),
        (1, (2, 8, 5, 5), torch.float32, 0.0),
        (8, (2, 8, 3, 7), torch.float32, 0.0),
        (2, (3, 6, 11), torch.float32, 0.0),
        (2, (2, 8, 5, 5), torch.float32, 1000.0),  # squares less the square of the mean would be wrong by a tenth
        (4, (2, 8, 6, 6), torch.bfloat16, 1.0),
    )

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(groups, shape[1]) for groups, shape, *_ in self.CASES)
        draws = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.data.normal_(generator=draws)
        self.requires_grad_(False)

    def forward(self, *inputs):
        return torch.cat([part for norm, x in zip(self.norms, inputs, strict=True) for part in slopes(norm, x)])

    def defined(self, norm, x):
        grouped = x.unflatten(1, (norm.num_groups, -1)).flatten(2)
        centred = grouped - grouped.mean(2, keepdim=True)
        y = (centred / (centred.square().mean(2, keepdim=True) + norm.eps).sqrt()).view(x.shape)
        factors = (each.double().view(-1, *[1] * (x.ndim - 2)) for each in (norm.weight, norm.bias))
        return next(factors) * y + next(factors)


def slopes(function, x):
    """Compute what a function returns, and the slope of the sum of its cubes: of squares it is near zero."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = function(x)
        (slope,) = torch.autograd.grad(y.pow(3).sum(), x)
    return y.detach().flatten().double(), slope.flatten().double()


def test_normalisations_and_their_slopes_are_those_of_the_definition(programs):
    network, draws = Norms(), torch.Generator().manual_seed(1)
    inputs = [(torch.randn(shape, generator=draws) + offset).to(dtype) for _, shape, dtype, offset in network.CASES]
    found = compiled(network, network)(*inputs).split([count for x in inputs for count in [x.numel()] * 2])
    parts = iter(found)
    for norm, x, (*_, dtype, offset) in zip(network.norms, inputs, network.CASES, strict=True):
        for wanted in slopes(lambda x, norm=norm: network.defined(norm, x), x.double()):
            # In float32 1000 has steps of 6e-5.
            near = 2e-2 if dtype is torch.bfloat16 else 5e-4 if offset else 1e-5
            scale = wanted.abs().max().item()
            torch.testing.assert_close(next(parts), wanted, rtol=0, atol=near * scale)


@pytest.mark.parametrize(
    ("place", "fact", "other"),
    [
        (module, "vector_instructions", lambda: "others"),
        (module, "processor_name", lambda: "another"),
        (module, "cpp_compiler", lambda: "another"),
        (module, "code_digest", lambda verb: "another"),
        (torch, "get_num_threads", lambda: 3),
        (torch, "__version__", "another"),
    ],
)
def test_a_program_of_another_processor_compiler_code_torch_or_number_of_threads_is_not_taken(
    monkeypatch, tmp_path, place, fact, other
):
    """Nothing is compiled: a program is a file with a number."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    numbers = count()
    monkeypatch.setattr(
        "torch._inductor.aoti_compile_and_package",
        lambda graph, package_path: Path(package_path).write_text(str(next(numbers))),
    )
    loaded = mock.Mock(side_effect=lambda path, *_: mock.Mock(boxed_run=lambda _: [Path(path).read_text()]))
    monkeypatch.setattr("torch._C._aoti.AOTIModelPackageLoader", loaded)
    network = Small(0)
    assert [compiled(network, network)(*arguments()) for _ in range(2)] == ["0", "0"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(place, fact, other)
        assert [compiled(network, network)(*arguments()) for _ in range(2)] == ["1", "1"]
    assert compiled(network, network)(*arguments()) == "0"


def plus(network, other, x, t):
    return network(x, t) + other


def test_a_function_of_tensors_that_are_neither_arguments_nor_weights_is_refused(programs):
    network, other = Small(0), torch.ones(8, 1, 1)
    with pytest.raises(AssertionError, match="FakeTensor"):
        compiled(partial(plus, network, other), network)(*arguments())


def name_of_program(seed=0, **changes):
    """Tell what names the program of a classifier's slope; nothing is compiled."""
    fields = {"attention_resolutions": [8], "seed": seed} | changes
    network = initial(tiny_model("classifier", **fields)).requires_grad_(False)
    seen = []
    with mock.patch.object(module, "_kept", lambda function, example, what: seen.append(what) or function):
        slope = Forward.frozen(network, compiled=True, of=slope_of)
        slope(torch.zeros(2, 3, 8, 8), torch.zeros(2), torch.tensor([0, 1]))
    return hashlib.sha256(*seen).hexdigest()


def test_another_process_finds_a_program_and_a_network_that_computes_otherwise_by_weights_of_the_same_shapes_does_not():
    code = "from test_programs import *; print(name_of_program())"
    environments = [os.environ | {"PYTHONPATH": IMPORTED, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    names = {subprocess.check_output([sys.executable, "-c", code], env=env, text=True) for env in environments}
    assert names == {f"{name_of_program()}\n"}
    assert len({name_of_program(), name_of_program(heads=2), name_of_program(residual_rescaling=True)}) == 3


def test_networks_of_other_weights_have_the_name_of_a_program():
    assert name_of_program() == name_of_program(seed=1)


def test_a_damaged_program_is_named_in_one_line(programs):
    network = Small(0)
    compiled(network, network)(*arguments())
    damaged = {path: path.read_bytes() for path in programs()}
    for path in damaged:
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"\.pt2: cannot be loaded, so remove it: "):
        compiled(network, network)(*arguments())
    for path, content in damaged.items():
        path.write_bytes(content)


def test_a_compiler_that_fails_is_told_in_one_line(programs, monkeypatch):
    from torch._inductor.exc import CppCompileError  # noqa: PLC0415 -- its import takes seconds

    def failing(*_, **__):
        raise CppCompileError(["c++", "program.cpp"], "no space left")

    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", failing)
    network, before = Small(0), programs()
    with pytest.raises(UserError, match=r"\.pt2: cannot be compiled: C\+\+ compile error"):
        compiled(network, network)(*arguments(5))
    assert programs() == before


def test_a_process_that_is_killed_while_it_compiles_leaves_no_program(programs, tmp_path):
    """The compiler that it calls kills it; the next one finds nothing, and compiles."""
    kills = tmp_path / "c++"
    kills.write_text('#!/bin/sh\ncase "$*" in *.wrapper.cpp*) kill -9 $PPID;; *) exec g++ "$@";; esac\n')
    kills.chmod(0o755)
    code = "from test_programs import *; n = Small(0); compiled(n, n)(*arguments(4))"
    environment = os.environ | {"CXX": str(kills), "PYTHONPATH": IMPORTED}
    before = programs()
    ended = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert programs() == before
    network = Small(0)
    torch.testing.assert_close(compiled(network, network)(*arguments(4)), network(*arguments(4)))
    assert len(programs() - before) == 1
