"""Muon: steps along the momentum of gradients, with all singular values made alike.

Source: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks"; Liu et al. (2025).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

MOMENTUM = 0.95

ITERATIONS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)
"""Of p(s) = a s + b s^3 + c s^5, which in so many turns brings singular values of 0.0015 to 1 to 0.68 to 1.21."""

LEAST_SIDE = 8
"""A convolution of fewer channels reads or writes images, which is for AdamW."""


def is_matrix(weight: Tensor) -> bool:
    """Tell whether Muon updates a weight: that of a convolution or of attention, between feature maps."""
    return weight.ndim > 2 and min(weight.shape[:2]) >= LEAST_SIDE


class Muon(torch.optim.AdamW):
    """AdamW that updates by Muon what `is_matrix`: (outputs, inputs * kernel), whose momentum is its "exp_avg".

    A step is 0.2 sqrt(max(rows, columns)) times the learning rate, as large as one of AdamW, so both share the rate.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make one update."""
        (group,) = self.param_groups
        weights = [each for each in group["params"] if is_matrix(each) and each.grad is not None]
        gradients = [each.grad for each in weights]
        for each in weights:
            each.grad = None  # AdamW passes over what has none
            if not self.state[each]:
                self.state[each]["exp_avg"] = torch.zeros_like(each)
        super().step()
        if not weights:
            return
        momenta = [self.state[each]["exp_avg"] for each in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        for weight, step in zip(weights, orthogonalised([each.flatten(1) for each in ahead]), strict=True):
            weight.sub_(step.view_as(weight), alpha=group["lr"] * 0.2 * max(step.shape) ** 0.5)
        for each, gradient in zip(weights, gradients, strict=True):
            each.grad = gradient


def orthogonalised(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Bring the singular values of matrices (M, N) near 1.

    A turn is X <- p(X X^T) X, so all turns are one product of X and a square matrix; those of a size are one batch.
    """
    wide = [each if len(each) <= each.shape[1] else each.T for each in matrices]
    found = list(wide)
    for side in {len(each) for each in wide}:
        places = [place for place, each in enumerate(wide) if len(each) == side]
        gram = torch.stack([wide[place] @ wide[place].T for place in places])
        norm = gram.diagonal(dim1=1, dim2=2).sum(1).sqrt().clamp(min=1e-7)[:, None, None]
        gram /= norm**2
        product = torch.eye(side, device=gram.device) / norm
        a, b, c = COEFFICIENTS
        for _ in range(ITERATIONS):
            factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
            factor.diagonal(dim1=1, dim2=2).add_(a)
            product, gram = factor @ product, factor @ gram @ factor
        for place, each in zip(places, product, strict=True):
            found[place] = each @ wide[place]
    return [each if len(of) <= of.shape[1] else each.T for each, of in zip(found, matrices, strict=True)]
