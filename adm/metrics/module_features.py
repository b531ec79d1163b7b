"""Features of a network from a file: TorchScript or a program of `torch.export`, for example DINOv2."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from adm.errors import UserError
from adm.metrics import exported_program
from adm.metrics.torch_graph import full_precision

Mode = Literal["bilinear", "bicubic", "area", "nearest"]
Scaling = Literal["imagenet", "unit", "symmetric", "bytes"]

SCALINGS: dict[Scaling, tuple[list[float], list[float]]] = {
    "imagenet": ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    "unit": ([0.0] * 3, [255.0] * 3),
    "symmetric": ([127.5] * 3, [127.5] * 3),
    "bytes": ([0.0] * 3, [1.0] * 3),
}
"""Mean and standard deviation of each channel, on the scale 0 to 255."""


@dataclass(frozen=True)
class Resize:
    """How to resize images for a network.

    When images shrink, bilinear and bicubic are antialiased, area averages, and nearest takes single pixels. Bicubic
    may exceed 0 to 255 slightly and is not clipped.
    """

    mode: Mode
    side: int

    @classmethod
    def parse(cls, text: str) -> "Resize":
        """Read `mode-side`, such as `bicubic-224`.

        Raises:
            UserError: The text has another form.
        """
        mode, _, side = text.partition("-")
        if mode not in get_args(Mode) or not side.isdecimal() or int(side) == 0:
            raise UserError(f"--resize {text!r}: is none; write mode-side, with a mode of {', '.join(get_args(Mode))}")
        return cls(mode, int(side))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.mode}-{self.side}"

    def __call__(self, images: Tensor) -> Tensor:
        """Resize (N, 3, H, W) float32 to (N, 3, side, side); images of that size are not changed."""
        if images.shape[-2:] == (self.side, self.side):
            return images
        smooth = {"antialias": True, "align_corners": False} if self.mode in ("bilinear", "bicubic") else {}
        return F.interpolate(images, (self.side, self.side), mode=self.mode, **smooth)


class ModuleExtractor:
    """A network from a file that computes features of images.

    It takes (N, 3, side, side) float32 and returns (N, D). A file that would run Python code, pickled or as source, is
    refused. A file may call any of torch's own operators.

    Args:
        path: A program saved by `torch.export.save` (ending .pt2) or by `torch.jit.save`.
        resize: Resizing of images to the network's input size.
        scaling: Normalisation of their pixels.
        device: Where to run it.

    Raises:
        UserError: The file is no such program, or the device does not exist.
    """

    def __init__(self, path: Path, resize: Resize, scaling: Scaling, device: str = "cpu") -> None:
        self._path, self._resize = path, resize
        if not path.is_file():
            raise UserError(f"{path}: does not exist")
        try:
            self._device = torch.device(device)
            self._module = _load(path, self._device)
            mean, std = (torch.tensor(v, device=self._device)[:, None, None] for v in SCALINGS[scaling])
        except Exception as error:  # for damaged bytes, torch's readers raise nearly any exception
            raise UserError(
                f"{path}: is no TorchScript and no exported program that runs on {device} ({_brief(error)})"
            ) from error
        self._mean, self._std = mean, std

    @torch.inference_mode()
    def features(self, images: npt.NDArray[np.uint8], batch_size: int) -> npt.NDArray[np.float32]:
        """Compute the features of images, in their order.

        Args:
            images: (N, H, W, 3) uint8, N >= 1.
            batch_size: images in a batch; the last batch is padded, because a program may accept only one size.

        Returns:
            (N, D) float32.

        Raises:
            UserError: The network fails on the images, or does not return finite values (batch_size, D).
        """
        starts = range(0, len(images), batch_size)
        with full_precision():
            return np.concatenate([self._batch(images[start : start + batch_size], batch_size) for start in starts])

    def _batch(self, chunk: npt.NDArray[np.uint8], batch_size: int) -> npt.NDArray[np.float32]:
        filled = np.zeros((batch_size, *chunk.shape[1:]), np.uint8)
        filled[: len(chunk)] = chunk
        try:
            images = torch.from_numpy(filled).to(self._device).permute(0, 3, 1, 2).float()
            output = self._module((self._resize(images) - self._mean) / self._std)
        except Exception as error:  # the network's own code may raise anything
            raise UserError(
                f"{self._path}: fails on {chunk.shape[1]}x{chunk.shape[2]} images resized by {self._resize}: "
                f"{_brief(error)}"
            ) from error
        if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != batch_size:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise UserError(f"{self._path}: returns {shape}, not a tensor ({batch_size}, features)")
        if not output.isfinite().all():
            raise UserError(f"{self._path}: returns NaN or infinity")
        features: npt.NDArray[np.float32] = output[: len(chunk)].float().cpu().numpy()
        return features


def _load(path: Path, device: torch.device) -> Any:
    if path.suffix == ".pt2":
        with _no_pickled_code():
            return exported_program.load(path).module().to(device)
    return torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]


@contextmanager
def _no_pickled_code() -> Iterator[None]:
    """Have torch refuse pickled code in all its loading; by default it runs such code for some parts of a program.

    Torch's own log messages are switched off, because the caller reports errors.
    """
    forced = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(forced)
    logging.disable(logging.CRITICAL)
    os.environ[forced] = "1"
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        os.environ.pop(forced)
        if before is not None:
            os.environ[forced] = before


def _brief(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TorchScript's message begins with its own traceback; the last line says what went wrong.
    return lines[-1][:160] if lines else type(error).__name__
