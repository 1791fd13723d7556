"""Points of architecture spaces as models of the zoo, so that whatever takes a model takes them."""

from __future__ import annotations

import functools
from collections.abc import Callable

from workbench.cards import Model, ModelCard
from workbench.space import Space


def member_of(space: type[Space]) -> Callable[[str], Model]:
    """Return what makes the entry of a network from what follows `NAME:`, for `models.register_family`."""
    return functools.partial(_member, space)


def _member(space: type[Space], settings: str) -> Model:
    point = space.spelt(settings)
    card = ModelCard(
        name=point.spelled,
        title=f"{space.title}: {settings.replace(',', ', ').replace('=', ' ')}",
        summary=f"A network of the space {space.name}. {space.summary}",
        input_shape=space.input_shape,
        mean=space.mean,
        std=space.std,
        classes=10,
        parameters=None,
        data=space.data,
        licence="BSD-3-Clause",
        paper=space.paper,
    )
    return Model(card=card, build=lambda: point.build(10), build_for=point.build, training=space.training)
