"""Precision, memory layout and device of a forward pass with float32 weights."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from adm.params.models import Precision


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """The context for a forward pass: autocast to bfloat16 or float16, no effect for float32."""
    if precision == "float32":
        return nullcontext()
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float16
    return torch.autocast(device, dtype=dtype)


def with_autocast(network: Callable[..., Tensor], precision: Precision) -> Callable[..., Tensor]:
    """Wrap a network; it then runs under `autocast` for the device of its first argument."""

    def run(x: Tensor, *arguments: Tensor | None, **named: Tensor) -> Tensor:
        with autocast(precision, x.device.type):
            return network(x, *arguments, **named)

    return run


def memory_format(precision: Precision) -> torch.memory_format:
    """The layout of feature maps with the fastest convolutions in this precision, on CPUs and GPUs."""
    return torch.contiguous_format if precision == "float32" else torch.channels_last


def device_of(network: nn.Module) -> torch.device:
    """The device of a network's weights; the CPU if it has none."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
