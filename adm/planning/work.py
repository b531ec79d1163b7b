"""The floating-point operations of a job, and the share of a device's peak that it reaches."""

import math
import re
from dataclasses import dataclass

from adm.config.models import AnyModel, ClassifierModel, Precision
from adm.paper import table_cells
from adm.planning.devices import CLASSIFIER_SHARE, SINGLE_SHARE
from adm.report.compute import Device

SINGLE: frozenset[Precision] = frozenset({"float32", "tf32"})
"""Precisions that are planned as float32; no share of a peak in TensorFloat-32 is published."""


@dataclass(frozen=True)
class Work:
    """Operations of one kind.

    Attributes:
        flops: The number of operations.
        share: The share of a device's peak that they reach, in (0, 1].
        single: Whether they are in float32.
    """

    flops: float
    share: float
    single: bool

    def seconds(self, device: Device, relative: float) -> float:
        """Seconds on one device.

        Args:
            device: The device.
            relative: The share of the device's peak in half precision, divided by `share`.
        """
        if self.single:
            return self.flops / (device.single_flops * self.share)
        return self.flops / (device.half_flops * self.share * relative)


@dataclass(frozen=True)
class Shares:
    """The share of a V100's peak that the paper's training reached, by kind of model and image size.

    Sampling is assumed to reach the same share as training. A size without a measurement has the share of the nearest
    size.

    Source: Table 7, the optimised rows; classifiers: Tables 10 and 12.
    """

    measured: dict[tuple[str, int], float]

    @classmethod
    def read(cls) -> "Shares":
        """Read the shares from the paper's Table 7."""
        header, rows = table_cells("table_7")
        group, row, rate = (header.index(column) for column in ("group", "row", "images_per_v100_second"))
        rates: dict[str, dict[str, float]] = {}
        for cells in rows:
            rates.setdefault(cells[group], {})[cells[row]] = float(cells[rate])
        measured = {}
        for sizes, found in rates.items():
            # "64×64" is a diffusion model, "64→256" an upsampler.
            parts = re.fullmatch(r"(\d+)([×→])(\d+)", sizes)
            assert parts is not None, sizes
            kind = "diffusion" if parts[2] == "×" else "upsampler"
            measured[kind, int(parts[3])] = found["Optimized"] / found["Theoretical"]
        return cls(measured)

    def of(self, model: AnyModel, precision: Precision) -> float:
        """The share for a model's training or sampling."""
        if precision in SINGLE:
            return SINGLE_SHARE
        if isinstance(model, ClassifierModel):
            return CLASSIFIER_SHARE
        side = model.network.image_size
        sizes = [size for kind, size in self.measured if kind == model.kind]
        return self.measured[model.kind, min(sizes, key=lambda size: abs(math.log(size / side)))]
