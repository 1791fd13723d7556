"""Test images whose answer has changed, as pictures: which ones, and what was and is answered."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from widgets.text import escape, percent

_LARGEST = 128
"""Pixels of the longer side that a page is sent at the most; the page enlarges smaller ones."""


@dataclass(frozen=True, kw_only=True)
class FlipPicture:
    """One picture and its three classes in words."""

    index: int
    label: str
    was: str
    now: str
    url: str
    before: str
    """What the network is called that answered `was`."""
    after: str
    """What that is called which answered `now`."""
    was_confidence: float | None = None
    """How sure the network of before was of its answer, where that is known."""
    now_confidence: float | None = None

    @property
    def lost(self) -> bool:
        """Whether the network of before had it right."""
        return self.was == self.label

    @property
    def alt(self) -> str:
        """The picture in words."""
        return f"test image {self.index}, {self.label}: {self.before} said {self.was}, {self.after} says {self.now}"


def flips_info(
    flips: Iterable[Mapping[str, Any]],
    pixels: Any,
    classes: Sequence[str],
    *,
    before: str = "the original",
    after: str = "this network",
) -> tuple[FlipPicture, ...]:
    """Return what is shown of flips and their pictures [K, H, W, C]: those that were right and are wrong first.

    A flip has `index`, `label`, `was` and `now`, and perhaps how sure the networks are, `was_confidence` and
    `now_confidence`. `before` and `after` call the two networks.
    """
    found = [
        FlipPicture(
            index=flip["index"],
            label=classes[flip["label"]],
            was=classes[flip["was"]],
            now=classes[flip["now"]],
            url=data_url(picture),
            before=before,
            after=after,
            was_confidence=flip.get("was_confidence"),
            now_confidence=flip.get("now_confidence"),
        )
        for flip, picture in zip(flips, pixels, strict=True)
    ]
    return tuple(sorted(found, key=lambda flip: not flip.lost))


def data_url(pixels: Any) -> str:
    """Return bytes [H, W, C], grey or in three colours, as a PNG in an address of its own."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def flips_html(flips: Sequence[FlipPicture]) -> str:
    """Return the pictures as an HTML list."""
    return f'<ul class="dsw-flips">{"".join(map(_item, flips))}</ul>'


def _item(flip: FlipPicture) -> str:
    kind, mark = ("lost", "✗ now wrong") if flip.lost else ("gained", "✓ now right")
    said = f"{escape(flip.was)}{_sure(flip.was_confidence)} → {escape(flip.now)}{_sure(flip.now_confidence)}"
    return (
        f'<li class="dsw-flip dsw-{kind}"><img src="{flip.url}" alt="{escape(flip.alt)}">'
        f"<b>{escape(flip.label)}</b><span>{mark}:<br>{said}</span></li>"
    )


def _sure(share: float | None) -> str:
    return "" if share is None else f" ({percent(share, 0)})"
