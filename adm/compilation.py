"""What torch compiles for inference; the compiled code stays on this machine."""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from platformdirs import user_cache_path

from adm.errors import UserError
from adm.machine import cpp_compiler

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a network, or another function of tensors, when it is first called, and for each shape of its arguments.

    Its weights must not change any more: without gradients they become constants of the program. Code is kept in the
    user's cache folder, from where other jobs with the same architecture and shapes take it. The program rounds
    differently, and not alike on all kinds of processors.

    Raises:
        UserError: There is no C++ compiler.
    """
    if cpp_compiler() is None:
        raise UserError("compiled true: needs a C++ compiler, g++ or what the variable CXX names; or leave it out")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache_path("adm") / "compiled"))
    from torch._inductor import config  # noqa: PLC0415 -- importing the compiler takes seconds

    config.freezing = True
    config.compile_threads = 1  # a job takes the threads that it declares
    return cast(F, torch.compile(function, fullgraph=True, dynamic=False))
