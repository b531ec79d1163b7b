"""Execution of a frozen graph by torch, with the tensor names of the 2015 Inception graph; it needs no TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]

from adm.errors import one_line
from adm.machine import compiled as compile_
from adm.metrics.graph_contract import Executor, Images, Outputs, read_definition
from adm.metrics.torch_program import FAILURES, TensorOutputs, TorchProgram, first_line


class TorchGraph(Executor):
    """A frozen graph, loaded once, that computes the features of `FrozenGraph` up to rounding.

    It reads only the nodes that the features depend on; a JPEG decoder before them or a head after them may be of any
    kind. The images replace the output of `ExpandDims`. Each batch goes to the device as bytes, and its features come
    back before the next batch starts.

    Args:
        path: a binary GraphDef.
        threads: torch's threads on the CPU, >= 1; set for the whole process.
        device: a name for `torch.device` of a device that this machine has.
        compiled: whether torch compiles the graph, once for each size of images and of batches. This takes minutes for
            the 2015 graph, needs a C++ compiler (on a GPU: Triton), and changes only the rounding.

    Raises:
        ValueError: there is no such device, the file is no GraphDef, a node is missing, or the features depend on an
            operation that `torch_operations` does not have.
        OSError: the file cannot be read.

    Source: Appendix J (no resizing before the graph); Nash et al. 2021 (spatial features).
    """

    def __init__(self, path: Path, threads: int = 1, device: str = "cpu", *, compiled: bool = False) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1")
        super().__init__(path)
        torch.set_num_threads(threads)
        self._device = present(device)
        definition = read_definition(GraphDef(), path)
        try:
            self._program = TorchProgram(definition, self._device)
        except (ValueError, *FAILURES) as error:
            raise ValueError(one_line(f"{path}: {first_line(error)}")) from error
        # Compiled for one size: a program for all sizes would be slower, and all images of a folder have one size.
        self._run = compile_(self._program) if compiled else self._program

    def _outputs(self, batch: Images) -> Outputs:
        try:
            with torch.inference_mode(), full_precision():
                pool, spatial, logits = self._on_device(torch.from_numpy(batch).to(self._device))
                return pool.cpu().numpy(), spatial.cpu().numpy(), logits.cpu().numpy()
        except (ValueError, *FAILURES) as error:
            raise ValueError(one_line(f"{self._path}: {first_line(error)}")) from error

    def _on_device(self, images: torch.Tensor) -> TensorOutputs:
        try:
            return self._run(images)
        except RuntimeError as error:
            self._program(images)  # if the graph is at fault, not the compiler, this error names the node
            raise ValueError(f"torch cannot compile it: {first_line(error)}") from error


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch TensorFloat-32 off inside the context.

    By torch's default, a GPU's convolutions round their factors to the ten bits of TensorFloat-32, which would change
    features by about 1e-3. Matrix products do the same if the process has switched it on for them.
    """
    all_of_them: Any = torch.backends
    backends = (all_of_them.cuda.matmul, all_of_them.cudnn.conv, all_of_them.mkldnn.matmul, all_of_them.mkldnn.conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


def present(name: str) -> torch.device:
    """Return a device after putting a tensor on it, because torch's other checks differ between kinds of devices."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device {name!r} is not there: {first_line(error)}") from error
    return device
