"""The precision of a forward pass over float32 weights, the memory layout that goes with it, and where it runs."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from adm.params.models import Precision


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """The context that forward passes run in: none for float32, else autocast to bfloat16 or float16."""
    if precision == "float32":
        return nullcontext()
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float16
    return torch.autocast(device, dtype=dtype)


def memory_format(precision: Precision) -> torch.memory_format:
    """The layout of feature maps that convolutions of this precision are fastest in, on CPUs and GPUs alike."""
    return torch.contiguous_format if precision == "float32" else torch.channels_last


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights are; the CPU if it has none."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
