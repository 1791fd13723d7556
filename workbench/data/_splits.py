"""Splits of labelled images: by class and seed, and named by their content."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def stratified(labels: Tensor, take: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return (rest, taken): indices in ascending order, with `take[c]` images of each class c taken at random.

    `labels` is int64 [N], `take` int64 [K]; the same seed takes the same images.
    """
    generator = torch.Generator().manual_seed(seed)
    taken = torch.zeros(len(labels), dtype=torch.bool)
    for label, count in enumerate(take.tolist()):
        members = (labels == label).nonzero().flatten()
        taken[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return (~taken).nonzero().flatten(), taken.nonzero().flatten()


def content_digest(*tensors: Tensor) -> str:
    """Return the SHA-256 of types, shapes and values of tensors, as 64 hexadecimal digits."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().data)
    return found.hexdigest()
