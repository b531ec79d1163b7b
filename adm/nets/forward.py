"""The forward pass of a network: its precision, memory layout, device and conditioning."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from adm.config.models import Precision
from adm.determinism import allow_tf32
from adm.nets.layers import Convolution, TokenLinear
from adm.nets.programs import compiled as compile_

DTYPES: dict[Precision, torch.dtype] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Dtypes of features and convolutions, where they are not the weights' own."""


class Forward:
    """A UNet, an upsampler or a classifier as a function of float32 images that returns float32.

    In half precision only the convolutions of the torso are low, those over tokens included, and so are the features
    between them. Embeddings and their projections, normalisations, the output convolution and a classifier's head
    compute in float32. With "tf32" all is float32, but a GPU rounds the factors of products and convolutions to
    TensorFloat-32; a CPU does not.

    Args:
        network: The network, on the device to compute on. Its weights are laid out in place.
        precision: The precision of the torso.

    Source: the half-precision conversion of the released code.
    """

    def __init__(self, network: nn.Module, precision: Precision = "float32") -> None:
        self.device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        weights = next((parameter.dtype for parameter in network.parameters()), torch.float32)
        # Float64 weights, as in gradient checks, compute in float64.
        self.full = torch.promote_types(weights, torch.float32)
        self.torso = DTYPES.get(precision, self.full)
        self.tf32 = precision == "tf32"
        # Channels last for half precision on a GPU, which was not measured. On a CPU not, because there normalisations
        # take 5 to 60 times as long channels last (docs/speed.md).
        in_last = self.device.type == "cuda" and precision != "float32"
        self.layout = torch.channels_last if in_last else torch.contiguous_format
        self.network = network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.function: Callable[..., Tensor] = partial(network, torso=self.torso)

    @classmethod
    def frozen(
        cls,
        network: nn.Module,
        precision: Precision = "float32",
        compiled: bool = False,
        of: Callable[[Callable[..., Tensor]], Callable[..., Tensor]] = lambda function: function,
    ) -> "Forward":
        """Wrap a network that is not trained any more: its torso is rounded once, in place.

        With `of`, such as `adm.diffusion.samplers.slope_of`, what it makes of the network is computed.

        Raises:
            UserError: It is to be compiled, and there is no C++ compiler.
        """
        forward = cls(network, precision)
        for part in ("encoder", "decoder"):
            for module in getattr(network, part, nn.Module()).modules():
                if isinstance(module, Convolution | TokenLinear):
                    module.to(forward.torso)
        forward.function = of(forward.function)
        if compiled:
            forward.function = compile_(forward.function, network)
        return forward

    def __call__(self, x: Tensor, t: Tensor, *more: Tensor, **conditions: Tensor) -> Tensor:
        """Run the network.

        A GPU then rounds to TensorFloat-32, or not, until the next network's forward pass: a setting of the process.

        Args:
            x: (B, C, H, W) float32, noisy images.
            t: (B,), timesteps of the original process.
            more: Further arguments of what `frozen` makes of the network, such as classes.
            conditions: Keywords of the network's own `forward`.

        Returns:
            Float32: (B, C or 2C, H, W) of a denoiser, (B, num_classes) logits of a classifier, or what is made of it.
        """
        if self.device.type == "cuda":
            allow_tf32(self.tf32)
        output: Tensor = self.function(x.to(self.full, memory_format=self.layout), t, *more, **conditions)
        return output.to(x.dtype)

    def conditioned(self, y: Tensor | None, **conditions: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the network as a function of x and t alone.

        Args:
            y: (B,) int64 labels of the images, or (B, num_classes) float32 weights of classes, which weigh their
                embeddings. An unconditional network gets none.
            conditions: Further keywords of the network's own `forward`.
        """
        embedding = getattr(self.network, "class_embedding", None)
        if embedding is not None and y is not None:
            conditions["y"] = y @ embedding.weight if y.is_floating_point() else y
        return partial(self, **conditions)
