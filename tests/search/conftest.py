"""The toy, prepared as a job is, so that searches can try recipes on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from workbench.context import Context
from workbench.run import Prepared


@pytest.fixture
def make_prepared(make_ctx: Callable[..., Context]) -> Callable[..., Prepared]:
    """Prepares a network, by default the trained toy, in the context of the toy; changes are those of the context."""

    def make(model: nn.Module | None = None, **changes: object) -> Prepared:
        ctx = make_ctx(**changes if model is None else {"original": model, **changes})
        return Prepared(model=ctx.original, context=ctx, test=ctx.validation, about={}, notes=(), digests=("toy",))

    return make


@pytest.fixture
def prepared(make_prepared: Callable[..., Prepared]) -> Prepared:
    """The trained toy, prepared."""
    return make_prepared()
