"""The precision of a forward pass over float32 weights, and the memory layout that goes with it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

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
