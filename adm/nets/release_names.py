"""A table of the tensors' names in our networks and in released checkpoints, used in both directions."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

_RESIDUAL = {
    "norm_in": "in_layers.0",
    "convolution_in": "in_layers.2",
    "embedding": "emb_layers.1",
    "norm_out": "out_layers.0",
    "convolution_out": "out_layers.3",
    "skip": "skip_connection",
}
_ATTENTION = {"norm": "norm", "qkv": "qkv", "projection": "proj_out"}

_MODULES = {
    "time_embedding.first": "time_embed.0",
    "time_embedding.second": "time_embed.2",
    "class_embedding": "label_emb",
    "encoder.blocks.0.convolution": "input_blocks.0.0",
    "encoder.blocks.{n}.residual.{residual}": "input_blocks.{n}.0.{residual}",
    "encoder.blocks.{n}.attention.{attention}": "input_blocks.{n}.1.{attention}",
    "encoder.blocks.{n}.downsampling": "input_blocks.{n}.0.op",
    "encoder.middle.residual_in.{residual}": "middle_block.0.{residual}",
    "encoder.middle.attention.{attention}": "middle_block.1.{attention}",
    "encoder.middle.residual_out.{residual}": "middle_block.2.{residual}",
    "decoder.blocks.{n}.residual.{residual}": "output_blocks.{n}.0.{residual}",
    "decoder.blocks.{n}.attention.{attention}": "output_blocks.{n}.1.{attention}",
    "decoder.blocks.{n}.upsampling.{residual}": "output_blocks.{n}.{last}.{residual}",
    "decoder.blocks.{n}.upsampling": "output_blocks.{n}.{last}.conv",
    "output.{n}": "out.{n}",
    "output.2.qkv": "out.2.qkv_proj",
    "output.2.projection": "out.2.c_proj",
}
"""Our modules' names, and the released ones.

`{n}` is any number. `{residual}` and `{attention}` stand for the parts of such a block. `{last}` is the position of a
decoder block's upsampling: 2 after an attention, else 1.
"""

_PARAMETERS = ("weight", "bias")
_LAST = re.compile(r"decoder\.blocks\.(\d+)\.upsampling\.")


@dataclass(frozen=True)
class _Rule:
    """One row of the table for one parameter: templates whose fields are numbers."""

    ours: str
    released: str

    @cached_property
    def ours_pattern(self) -> re.Pattern[str]:
        return _pattern(self.ours)

    @cached_property
    def released_pattern(self) -> re.Pattern[str]:
        return _pattern(self.released)


def _pattern(template: str) -> re.Pattern[str]:
    """A pattern that matches the template with any numbers in its fields."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\d+)", re.escape(template)))


def _rules() -> list[_Rule]:
    """The table with block parts and parameter names filled in."""
    rules = [_Rule("output.2.positional_embedding", "out.2.positional_embedding")]
    for ours, released in _MODULES.items():
        parts = {"residual": _RESIDUAL, "attention": _ATTENTION}
        field = next((name for name in parts if f"{{{name}}}" in ours), None)
        pairs = parts[field] if field else {"": ""}
        for our_part, released_part in pairs.items():
            for parameter in _PARAMETERS:
                our_module = ours.replace(f"{{{field}}}", our_part)
                released_module = released.replace(f"{{{field}}}", released_part)
                rules.append(_Rule(f"{our_module}.{parameter}", f"{released_module}.{parameter}"))
    return rules


_RULES = _rules()


def released_name(name: str, names: Collection[str]) -> str:
    """The name of one of our tensors in released checkpoints.

    Args:
        name: a name of our state dict.
        names: all names of that state dict; the position of a decoder block's upsampling depends on whether the
            block has an attention.

    Raises:
        ValueError: the tensor belongs to no UNet, upsampler or classifier.
    """
    upsampling = _LAST.match(name)
    attends = upsampling and f"decoder.blocks.{upsampling[1]}.attention.norm.weight" in names
    for rule in _RULES:
        if found := rule.ours_pattern.fullmatch(name):
            return rule.released.format(**found.groupdict(), last=2 if attends else 1)
    raise ValueError(f"tensor {name!r} is unknown; accepted are the tensors of a UNet, an upsampler or a classifier")


def our_name(name: str) -> str:
    """Our name of a tensor of a released checkpoint.

    Raises:
        ValueError: no released diffusion model, upsampler or classifier has such a tensor.
    """
    for rule in _RULES:
        if found := rule.released_pattern.fullmatch(name):
            return rule.ours.format(**found.groupdict())
    raise ValueError(
        f"tensor {name!r} is unknown; accepted are the tensors of the released diffusion models, upsamplers "
        "and classifiers"
    )


def to_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of our state dict to the names of released checkpoints; the tensors are not changed.

    Raises:
        ValueError: a tensor belongs to no UNet, upsampler or classifier.
    """
    return {released_name(name, state): tensor for name, tensor in state.items()}


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a released checkpoint to our names; the tensors are not changed.

    Raises:
        ValueError: a tensor is unknown, or its position in its block does not fit the block's other tensors.
    """
    ours = {our_name(name): tensor for name, tensor in state.items()}
    for name in state:
        expected = released_name(our_name(name), ours)
        if expected != name:
            raise ValueError(f"tensor {name!r} is out of place; its block's other tensors ask for {expected!r}")
    return ours
