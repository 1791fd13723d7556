"""95 % intervals for shares and their differences, honest for few images and for rates near 0 and 1."""

from __future__ import annotations

import math
import statistics

from workbench.errors import Refused

Interval = tuple[float, float]
"""Low and high."""
_Z = 1.959963984540054
"""The standard normal quantile of 0.975."""
DOUBT = 0.05
"""How often an interval may leave out the truth."""


def quantile(looks: int) -> float:
    """Return the normal quantile with which so many two-sided 95 % intervals hold together (Bonferroni)."""
    return statistics.NormalDist().inv_cdf(1 - DOUBT / 2 / max(1, looks))


def wilson(hits: float, n: float, z: float = _Z) -> Interval:
    """Return the interval for the probability behind `hits` of `n`, which need not be whole.

    Wilson's score interval stays within [0, 1] and is honest for few images and for rates near 0 and 1, where the
    usual `p +- 2 sigma` is not (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953; Brown, Cai and DasGupta
    2001, https://doi.org/10.1214/ss/1009213286). Another `z` than that of 95 % widens it, for who looks at several.
    Raises `Refused` unless 0 <= hits <= n and n >= 1.
    """
    if not 0 <= hits <= n or n < 1:
        raise Refused(f"an interval needs 0 <= hits <= n and n >= 1, got {hits} hits of {n}")
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # at the ends the formula is exact but for rounding, which must not leave the interval without the share itself
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == n else min(1.0, middle + half))


def finite(hits: int, n: int, total: int) -> Interval:
    """Return the interval for the share of hits among `total` images, of which n were drawn without replacement.

    What is drawn is known, so the variance is smaller by (total - n) / (total - 1): that of Wilson's interval for as
    many more images. The ends are numbers of images that there can be. At n = total both are the share itself.
    """
    if n == total:
        return hits / n, hits / n
    more = n * (total - 1) / (total - n)
    low, high = wilson(hits / n * more, more)
    return max(hits, math.floor(low * total)) / total, min(total - n + hits, math.ceil(high * total)) / total


def difference(gain: float, gains: Interval, loss: float, losses: Interval, correlation: float = 0.0) -> Interval:
    """Return the interval for gain - loss, given that of each and the correlation of their estimates.

    Square and add: each end lies as far from the estimate as the ends of the parts that push it there, added like
    standard errors (Newcombe 1998, https://pubmed.ncbi.nlm.nih.gov/9839354/; Zou and Donner 2008,
    https://doi.org/10.1002/sim.3095).
    """
    down, up = losses[1] - loss, gain - gains[0]
    rise, drop = gains[1] - gain, loss - losses[0]
    middle = gain - loss
    low = middle - math.sqrt(down**2 + up**2 - 2 * correlation * down * up)
    high = middle + math.sqrt(rise**2 + drop**2 - 2 * correlation * rise * drop)
    return max(-1.0, low), min(1.0, high)


def paired(gain: float, loss: float, n: int, z: float = _Z) -> Interval:
    """Return the interval for gain - loss of n pairs: shares that changed from wrong to right, and from right to wrong.

    It is about the images that these are a sample of. Of one pair only one can happen, hence the correlation.
    """
    both = (1 - gain) * (1 - loss)
    correlation = -math.sqrt(gain * loss / both) if both else 0.0
    return difference(gain, wilson(gain * n, n, z), loss, wilson(loss * n, n, z), correlation)


def added(value: float, one: Interval, other: Interval) -> Interval:
    """Return an interval with two independent uncertainties, each given as an interval about the same value."""
    low = value - math.hypot(value - one[0], value - other[0])
    return low, value + math.hypot(one[1] - value, other[1] - value)
