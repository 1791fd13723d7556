"""The best two factors of a layer's weight, and what each rank costs in error.

The error of a weight W [O, D] is `tr((W - best) hessian (W - best)^T)`: with the second moments of what the layer reads
as the hessian [D, D], it is measured at the outputs, where the data are.

For the form `channel` the best weight of rank r is known in closed form, reduced-rank regression (Izenman 1975,
https://doi.org/10.1016/0047-259X(75)90042-1): it is `U U^T best`, where U [O, r] holds the leading eigenvectors of the
moments of the outputs, `best hessian best^T`, and the error is the sum of the eigenvalues that are left out. With the
identity as the hessian this is the truncated SVD.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import Refused
from workbench.factors import SPATIAL, full_rank, shapes
from workbench.network import Layer
from workbench.techniques._spatial_factors import SpatialProblem


@dataclass(frozen=True)
class Factors:
    """Both weights, in the shapes of `factors.shapes`."""

    first: Tensor
    second: Tensor

    @property
    def product(self) -> Tensor:
        """The weight of the one layer that does the same."""
        return torch.einsum("ri...,or...->oi...", self.first, self.second)


def errors(hessian: Tensor, best: Tensor, layer: Layer, form: str) -> Tensor:
    """Return the errors of the ranks from 0 to full [R + 1], float64; those of `spatial` are of its starting point."""
    hessian, best = hessian.double(), best.double()
    total, rank = ((best @ hessian) * best).sum(), full_rank(layer, form)
    if form == SPATIAL:
        explained = SpatialProblem(hessian, best, layer.weight.shape[-1]).explained(rank)
    else:
        explained = torch.linalg.eigvalsh(best @ hessian @ best.T).flip(0)[:rank]
    return (total - torch.cat([total.new_zeros(1), explained.cumsum(0)])).clamp(min=0)


def factors(hessian: Tensor, best: Tensor, layer: Layer, form: str, rank: int) -> Factors:
    """Return the factors of a rank; raises `Refused` for a rank that the layer cannot have."""
    if not 1 <= rank <= full_rank(layer, form):
        raise Refused(f"the rank of this layer is a whole number in [1, {full_rank(layer, form)}], got {rank}")
    hessian, best = hessian.double(), best.double()
    if form == SPATIAL:
        first, second = SpatialProblem(hessian, best, layer.weight.shape[-1]).solve(rank)
    else:
        leading = torch.linalg.eigh(best @ hessian @ best.T).eigenvectors[:, -rank:].flip(1)
        first, second = leading.T @ best, leading[..., None]
    # equal norms of both factors, component by component, so that pruning and rounding meet both alike
    a, b = first.norm(dim=1), second.norm(dim=(0, 2))
    scale = torch.where((a > 0) & (b > 0), b / a, 1.0).sqrt()[:, None]
    shape, other = shapes(layer, form, rank)
    kind = layer.weight.dtype
    return Factors((first * scale).reshape(shape).to(kind), (second / scale).reshape(other).to(kind))
