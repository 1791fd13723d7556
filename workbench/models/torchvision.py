"""Every classification network of torchvision, as `torchvision:NAME`, with its publisher's own weights.

torchvision is imported when one of them is asked for, not before: it costs seconds and 80 MB.
"""

from __future__ import annotations

import difflib
import functools
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workbench._torchvision import import_torchvision
from workbench.cards import Model, ModelCard, Training
from workbench.errors import Refused, reason
from workbench.models import _checkpoint
from workbench.registry import models

_CLASSES = 1000
_NO_AUX = {"aux_logits": False}
_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": _NO_AUX,  # with its auxiliary heads it returns a tuple while it trains
    "inception_v3": _NO_AUX,
    "vit_h_14": {"image_size": 518},  # what its weights were trained on, unlike its default
}
_FRESH = {"googlenet": {"init_weights": True}, "inception_v3": {"init_weights": True}}
_COUNTED = {"inception_v3": 23_834_568}
"""Parameters where torchvision's own figure counts the auxiliary heads."""
_TRAINING = Training(epochs=90, lr=0.05, batch=64, weight_decay=1e-4, augment=True)


def names() -> tuple[str, ...]:
    """Return the names that may follow `torchvision:`."""
    zoo = import_torchvision().models
    return tuple(zoo.list_models(module=zoo))


def member(name: str) -> Model:
    """Return the entry of one network; raises `Refused` for an unknown name."""
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 3) or ["resnet18", "mobilenet_v3_small"]
        raise Refused(f"torchvision has no classification network called {name!r}: try {', '.join(near)}")
    return Model(
        card=_card(name),
        build=functools.partial(_fresh, name, _CLASSES),
        build_for=functools.partial(_fresh, name),
        training=_TRAINING,
        pretrained=functools.partial(_pretrained, name),
    )


def _card(name: str) -> ModelCard:
    weights, builder = _weights(name), _zoo().get_model_builder(name)
    preset, meta = weights.transforms(), weights.meta
    size = preset.crop_size[0]
    cited = re.search(r"`([^`<]+?)\s*<(\S+?)>`", builder.__doc__ or "")
    return ModelCard(
        name=f"torchvision:{name}",
        title=f"{name} (torchvision)",
        summary=f"The network {name} of torchvision for {size}x{size} colour images, trained on ImageNet.",
        input_shape=(3, size, size),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        classes=_CLASSES,
        parameters=_COUNTED.get(name, meta["num_params"]),
        data=("imagenet",),
        licence=f"BSD-3-Clause; the weights: {meta.get('license', 'trained on ImageNet')}",
        paper=f"{' '.join(cited[1].split())}, {cited[2]}" if cited else meta.get("recipe", "torchvision"),
    )


def _zoo() -> Any:
    return import_torchvision().models


def _weights(name: str) -> Any:
    return _zoo().get_model_weights(name).DEFAULT


def _fresh(name: str, classes: int) -> nn.Module:
    options = {**_OPTIONS.get(name, {}), **_FRESH.get(name, {})}
    return _zoo().get_model(name, weights=None, num_classes=classes, **options)  # type: ignore[no-any-return]


def _pretrained(name: str) -> nn.Module:
    weights = _weights(name)
    path = _downloaded(weights.url)
    _checkpoint.read(path)  # torchvision reads it as an unrestricted pickle: first make sure that nothing in it can run
    options = {key: value for key, value in _OPTIONS.get(name, {}).items() if key != "image_size"}
    return _zoo().get_model(name, weights=weights, progress=False, **options)  # type: ignore[no-any-return]


def _downloaded(url: str) -> Path:
    """Return the file of a publisher's weights, downloaded where it is missing, to where torch itself keeps them."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if path.is_file():
        return path
    checksum = re.search(r"-([0-9a-f]{8,})\.", path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), checksum[1] if checksum else None)
    except (OSError, RuntimeError) as error:
        raise Refused(
            f"the weights cannot be downloaded ({reason(error)}): "
            f"fetch {url} where there is a network, and put it at {path}"
        ) from None
    return path


models.register_family("torchvision", member)
