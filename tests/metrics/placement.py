"""Where tensors are made; the meta device computes shapes alone, and takes no tensor from elsewhere, as a GPU would."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")


class OnlyOn(TorchDispatchMode):
    """Fail where a tensor is made or read on another device."""

    def __init__(self, device):
        super().__init__()
        self.device, self.calls = device, 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        for tensor in tree_leaves((arguments, options, made)):
            if isinstance(tensor, torch.Tensor):
                assert tensor.device == self.device, function
        self.calls += 1
        return made
