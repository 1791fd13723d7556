"""Numbers in plain words, and the words that need a word themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from widgets.answer import explained
from widgets.text import escape, quantity
from workbench.result import Estimate

TERMS: Mapping[str, str] = MappingProxyType(
    {
        "measured": "The network was run on test images and its answers were compared with the truth.",
        "counted": "Exact: nothing was estimated, so there is no range.",
        "modelled": "Worked out from published figures of the device, not measured on it. The range goes from the best "
        "use of the device to the worst.",
        "range": "The test images are a sample. In 95 of 100 such measurements the true value lies in a range made so.",
        "test images": "Images that were kept aside: neither training nor shrinking has seen them.",
        "file": "What a device downloads: the network, packed as tightly as this workbench can.",
        "class": "What an image may show: one of the answers that the network can give.",
        "surely": "These ranges are wide enough to hold for all classes at once with 95 %: of many classes, one always "
        "looks worst by chance.",
        "memory": "What must be kept at hand while one image is worked on.",
        "electricity": "While it computes, at the price that is typed in above. Waiting, cooling and the rest of the "
        "computer are not in here.",
        "rent": "For the hours in which it computes, at the published price of the device. Idle hours cost more.",
    }
)


def term(word: str, shown: str = "") -> str:
    """Return a word with what it means, which pointer, touch and keyboard bring up."""
    return explained(shown or word, TERMS[word])


def per_thousand(share: float) -> str:
    """Return a share of images as a number of 1,000, with a digit behind the point where it is small."""
    number = abs(1000 * share)
    return f"{number:.0f}" if number >= 9.95 or abs(number - round(number)) < 0.05 else f"{number:.1f}"


def loss(change: float) -> str:
    """Return a change of accuracy in words: -0.0067 is `6.7 more wrong`, of 1,000 images."""
    count = per_thousand(change)
    return "none" if count == "0" else f"{count} more {'wrong' if change < 0 else 'right'}"


def loss_range(estimate: Estimate) -> str:
    """Return the interval of a change of accuracy in words."""
    low, high = estimate.low, estimate.high
    if high < 0:
        low, high = high, low
    if low * high > 0 and "none" not in (loss(low), loss(high)):
        return f"{per_thousand(low)} to {loss(high)}"
    return f"{loss(low)} to {loss(high)}"


def of_hundred(change: float) -> str:
    """Return a change of a share as a number of 100 images: -0.028 is `2.8 fewer`."""
    number = round(100 * abs(change), 1)
    return "no change" if not number else f"{number:g} {'fewer' if change < 0 else 'more'}"


def money(usd: float) -> str:
    """Return US dollars, to the cent below a thousand: 0.0014 is `under 1 cent`."""
    if 0 < abs(usd) < 0.005:
        return "under 1 cent"
    return f"{usd:,.0f} USD" if abs(usd) >= 1000 else f"{usd:.2f} USD"


def energy(kwh: float) -> str:
    """Return energy with three digits: 0.0123 kWh is `12.3 Wh`."""
    wh = 1000 * kwh
    return quantity(wh, "Wh") if abs(wh) >= 1 or not wh else f"{1000 * wh:.3g} mWh"


def ranged(estimate: Estimate, written: Callable[[float], str]) -> str:
    """Return the interval of an estimate in words."""
    return f"{written(estimate.low)} to {written(estimate.high)}"


def saved_range(saved: Estimate, written: Callable[[float], str]) -> str:
    """Return the interval of what is saved in words; below zero it is what is taken more."""
    low, high = saved.low, saved.high
    if low >= 0:
        return f"{written(low)} to {written(high)} less"
    if high <= 0:
        return f"{written(-high)} to {written(-low)} more"
    return f"{written(-low)} more to {written(high)} less"


def origin(estimate: Estimate, spread: str) -> str:
    """Return how a number was obtained and its range, with what both mean."""
    if estimate.how == "counted":
        return f"{term('counted')}, exact"
    and_ = escape(spread).replace(" to ", " and ", 1)
    if estimate.how == "modelled":
        return f"between {and_}; {term('modelled')}"
    images = f" on {estimate.n:,} {term('test images')}" if estimate.n else ""
    return f"{term('range', 'between')} {and_}; {term(estimate.how)}{images}"
