"""Programs that torch compiles of networks ahead of time, and keeps for other jobs."""

import io
import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from typing import Any

import torch
from platformdirs import user_cache_path
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.stateless import _reparametrize_module
from torch.overrides import TorchFunctionMode

from adm.artifacts.code import code_digest
from adm.artifacts.writing import new_file
from adm.config.base import Config
from adm.errors import UserError, brief
from adm.machine import cpp_compiler, processor_name, vector_instructions


def compiled(function: Callable[..., Tensor], network: nn.Module) -> Callable[..., Tensor]:
    """Compile a function of tensors and of a network's weights when it is first called with arguments of some shapes.

    The program takes the weights as arguments. So all jobs with the same architecture, shapes, threads, torch, compiler
    and instructions of the processor share it, from the user's cache folder. It rounds differently from the function,
    and not alike on all kinds of processors.

    Args:
        function: Of tensors, positional or named. What it computes follows no value of theirs. It can be pickled.
        network: It holds all other tensors of the function, which must not change any more.

    Raises:
        UserError: There is no C++ compiler; or, when the program is called, it cannot be compiled or loaded.
    """
    if cpp_compiler() is None:
        raise UserError("compiled true: needs a C++ compiler, g++ or what the variable CXX names; or leave it out")
    held = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    _Structure(structure := io.BytesIO(), held).dump(function)
    # The program convolves channels last; weights of another layout would be copied at each call.
    channels_last = partial(Tensor.contiguous, memory_format=torch.channels_last)
    weights = {name: (channels_last(each) if each.ndim == 4 else each).detach() for name, each in held.items()}
    programs: dict[Any, Callable[..., Tensor]] = {}

    def program(*given: Tensor, **named: Tensor) -> Tensor:
        def flat(*tensors: Tensor) -> Tensor:
            values, rest = tensors[: len(weights)], tensors[len(weights) :]
            with _reparametrize_module(network, dict(zip(weights, values, strict=True))), _Normalising():
                return function(*rest[: len(given)], **dict(zip(named, rest[len(given) :], strict=True)))

        tensors = (*weights.values(), *given, *named.values())
        kind = *named, *((each.shape, each.stride(), each.dtype) for each in tensors[len(weights) :])
        if kind not in programs:
            programs[kind] = _kept(flat, tensors, structure.getvalue() + repr(kind).encode())
        return programs[kind](*tensors)

    return program


class _Structure(pickle.Pickler):
    """Writes what a function computes, but for the values of weights: all that its program follows."""

    def __init__(self, file: io.BytesIO, weights: Mapping[str, Tensor]) -> None:
        super().__init__(file)
        self.kinds = {id(each): (name, each.shape, each.dtype) for name, each in weights.items()}

    def persistent_id(self, value: Any) -> Any:
        # A section has a set of the names of its fields, whose order changes from process to process.
        return repr(value) if isinstance(value, Config) else self.kinds.get(id(value))


class _Normalising(TorchFunctionMode):
    """Compute `F.group_norm` on CPUs by scales and shifts of channels, which concatenating makes tensors of their own.

    Torch's compiler computes them again at each position, and divides to find its group, which no vectors do.
    """

    def __init__(self) -> None:
        super().__init__()
        # (C, C), a product with which averages each of g groups; a graph has one for all its normalisations.
        self.averaging = cache(lambda c, g: torch.kron(torch.eye(g), torch.full([c // g] * 2, g / c)))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (self._normalise if func is F.group_norm and args[0].is_cpu else func)(*args, **(kwargs or {}))

    def _normalise(self, input: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        averaging, axes, wide = self.averaging(input.shape[1], num_groups), tuple(range(2, input.ndim)), input.float()
        own = torch.cat([wide.mean(axes, keepdim=True)])
        spread, own = (wide - own).square().mean(axes), own.flatten(1)
        mean = own @ averaging
        scale = weight.float() * torch.rsqrt((spread + (own - mean).square()) @ averaging + eps)
        scale, shift = torch.cat([scale, bias.float() - mean * scale]).view(2, *own.shape, *[1] * len(axes))
        return torch.addcmul(shift, wide, scale).to(input.dtype)


def _kept(function: Callable[..., Tensor], example: tuple[Tensor, ...], what: bytes) -> Callable[..., Tensor]:
    """Take the program of a function from the cache folder, else compile it; its name says all that it depends on."""
    machine = torch.cuda.get_device_name() if example[0].is_cuda else f"{processor_name()} {vector_instructions()}"
    versions = code_digest("sample"), torch.__version__, cpp_compiler(), torch.get_num_threads()
    name = sha256(repr((what, machine, versions)).encode()).hexdigest()
    path = user_cache_path("adm") / "compiled" / f"{name}.pt2"
    try:
        if not path.exists():
            from torch._inductor import aoti_compile_and_package, config  # noqa: PLC0415 -- takes seconds
            from torch.fx.experimental.proxy_tensor import make_fx  # noqa: PLC0415

            graph = make_fx(function, tracing_mode="fake")(*example)
            # A job takes the threads that it declares; what calls the kernels need not be fast.
            changes = {"compile_threads": 1, "aot_inductor.compile_wrapper_opt_level": "O0"}
            with new_file(path) as new, config.patch(changes), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                aoti_compile_and_package(torch.export.export(graph, example), package_path=str(new))
        # What `torch._inductor.aoti_load_package` calls, without an import of seconds and a parser at each call.
        loaded = torch._C._aoti.AOTIModelPackageLoader(str(path), "model", False, 1, -1)
        return lambda *tensors: loaded.boxed_run(list(tensors))[0]
    except RuntimeError as error:
        wrong = "loaded, so remove it" if path.exists() else "compiled"
        raise UserError(f"{path}: cannot be {wrong}: {brief(error)}") from error
