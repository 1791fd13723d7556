"""What is said of two networks, as HTML, for the page and for the report alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from widgets.answer import explained, figure, figures, quiet, say, section
from widgets.bridge.pictures import Pictures
from widgets.figures import pictures
from widgets.figures.calibration import calibration_html
from widgets.figures.flips import flips_html, flips_info
from widgets.figures.parts import parts_html, parts_info
from widgets.figures.pictures import Bar
from widgets.text import capitalised, change_range, escape, estimate_text, percent, points, quantity, recipe_text
from workbench.forgetting.alarms import FALLS_BEYOND
from workbench.forgetting.calibration import BINS, RESAMPLED, Calibration
from workbench.forgetting.compared import Comparison, Network
from workbench.forgetting.flips import SHOWN
from workbench.forgetting.parts import Part, whole
from workbench.result import Estimate, Job

_TOGETHER = (
    "Of many, one always looks worst by chance: these intervals are wide enough to hold for all of them at once with "
    "95 % (Bonferroni). Marked is only what is surely more than 1 point worse than all other images."
)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the two networks are called."""

    before: str
    after: str


def words(found: Comparison) -> Words:
    """Return what the two are called: the one on the left may be the original of the other."""
    of_right = dataclasses.replace(found.right.job, recipe=found.left.job.recipe)
    if of_right == found.left.job and not found.left.job.recipe.steps:
        return Words(before="the original", after="the smaller network")
    return Words(before="the network on the left", after="the network on the right")


def named(job: Job) -> str:
    """Return a job in words."""
    return f"{job.model.name}, {recipe_text(job.recipe)}"


def sections(found: Comparison, shown: Pictures) -> str:
    """Return all that is said of a comparison; `shown` are the images of `found.flips.shown`."""
    both = words(found)
    return "".join(
        (
            section("The two at a glance", _glance(found, both)),
            section("Alarms", _alarms(found)),
            section("Which images changed their answer?", _flips(found, shown, both)),
            section("Which classes lost?", _classes(found, both)),
            section("Which groups of images lost, that no label names?", _groups(found, both)),
            section("Is it as sure as it may be?", _calibration(found, both)),
        )
    )


def _glance(found: Comparison, both: Words) -> str:
    change = found.change
    sure = (
        "surely less often right"
        if change.high < 0
        else "surely more often right"
        if change.low > 0
        else "as often right, as far as can be told"
    )
    left, right = (side.estimates["size_bytes"].value for side in (found.left, found.right))
    times = _times(left, right)
    size = "as large" if times == "1 times" else f"{times} {'smaller' if right < left else 'larger'}"
    rows = "".join(
        f'<tr><th scope="row">{title}</th>{_cell(found.left, name)}{_cell(found.right, name)}</tr>'
        for name, title in (
            ("accuracy", "Right on test images"),
            ("size_bytes", "Packed file"),
            ("macs", "Multiply-adds of one image"),
        )
    )
    heads = "".join(
        f'<th scope="col"><b>{escape(capitalised(name))}</b><small>{escape(named(side.job))}</small></th>'
        for name, side in ((both.before, found.left), (both.after, found.right))
    )
    return (
        say(f"{capitalised(both.after)} is {size}, and {sure} on {found.images:,} test images.")
        + figures(
            figure(
                f"{points(change.value)} points",
                "change of the accuracy",
                f"{_interval(change_range(change))}, measured on the same {found.images:,} images",
            ),
            figure(
                percent(found.flips.changed.value),
                "of the images get another answer",
                f"{_interval(_range(found.flips.changed))}, measured",
            ),
            figure(
                str(len(found.alarms)) if found.alarms else "none",
                "alarms" if len(found.alarms) != 1 else "alarm",
                "see below",
            ),
        )
        + '<div class="dsw-scroll" tabindex="0" role="region" aria-label="The two networks"><table class="dsw-bars">'
        f"<caption>Side by side</caption><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _times(one: float, other: float) -> str:
    return f"{max(one, other) / min(one, other):.3g} times"


def _cell(side: Network, name: str) -> str:
    estimate = side.estimates[name]
    text = quantity(estimate.value, "bytes") if name == "size_bytes" else estimate_text(estimate)
    how = estimate.how if estimate.how == "counted" else f"{_range(estimate)}, {estimate.how}"
    return f"<td><b>{escape(text)}</b><small>{escape(how)}</small></td>"


def _interval(text: str) -> str:
    return explained(
        text, "The test images are a sample. In 95 of 100 such measurements the true value lies in a range made so."
    )


def _range(estimate: Estimate) -> str:
    return f"{percent(estimate.low)} to {percent(estimate.high)}"


def _alarms(found: Comparison) -> str:
    could = "".join(f"<li>{escape(sentence)}</li>" for sentence in found.detectable)
    about = (
        "A line is crossed only where the worse end of a 95 % interval is beyond it; intervals of all classes, and "
        "those of all groups, hold together."
    )
    detail = f"<p>What there would have been an alarm for, on {found.images:,} images:</p><ul>{could}</ul>"
    if not found.alarms:
        return (
            '<p class="dsw-say dsw-calm">✓ No alarm.</p>'
            + quiet("That is not the same as no harm: smaller changes than these would not have been seen.")
            + f'<div class="dsw-could">{detail}</div>{quiet(about)}'
        )
    items = "".join(
        f'<li class="dsw-alarm"><b>▲ {escape(alarm.sentence)}</b><small>Line: {escape(alarm.line)}.</small></li>'
        for alarm in found.alarms
    )
    return (
        f'<ul class="dsw-alarms">{items}</ul>{quiet(about)}'
        f'<details class="dsw-could"><summary>What else could have been found</summary>{detail}</details>'
    )


def _flips(found: Comparison, shown: Pictures, both: Words) -> str:
    flips = found.flips
    if not flips.changed.value:
        return say(f"None: {both.after} answers all {found.images:,} test images as {both.before} does.")
    images = flips_info(
        map(dataclasses.asdict, flips.shown), shown.pixels, shown.classes, before=both.before, after=both.after
    )
    lost, gained = _count(flips.lost), _count(flips.gained)
    rows = [
        Bar(
            label=label,
            value=100 * estimate.value,
            low=100 * estimate.low,
            high=100 * estimate.high,
            kind=kind,
            text=f"{_count(estimate):,} {'image' if _count(estimate) == 1 else 'images'}",
            note=f"{percent(estimate.value)} ({_range(estimate)})",
        )
        for label, estimate, kind in (
            ("✗ right before, wrong now", flips.lost, "bad"),
            ("✓ wrong before, right now", flips.gained, "chosen"),
            ("wrong both times, another answer", flips.other, "before"),
        )
    ]
    return (
        say(f"Right before and wrong now: {lost:,} of {found.images:,} images. The other way round: {gained:,}.")
        + pictures.bars("Images with another answer, of 100", ("What changed", "Share of all images", "Images"), rows)
        + flips_html(images)
        + quiet(
            f"At most {SHOWN} of each direction, drawn at random. Below each picture: its class, then what "
            f"{both.before} says → what {both.after} says, each with how sure it is. Solid frames are now wrong, "
            "dashed ones now right."
        )
    )


def _count(estimate: Estimate) -> int:
    return round(estimate.value * (estimate.n or 0))


def _classes(found: Comparison, both: Words) -> str:
    confusions = [each for each in found.confusions if each.growth.value > 0]
    bars = (
        pictures.bars(
            "Confusions that grew most, images of 100 of the class",
            ("Is, and is taken for", "Growth", "Images"),
            [
                Bar(
                    label=f"{each.label} → {each.answer}",
                    value=100 * each.growth.value,
                    low=100 * each.growth.low,
                    high=100 * each.growth.high,
                    text=f"{each.before:,} → {each.after:,} of {each.images:,}",
                    note=change_range(each.growth),
                    kind="bad" if each.growth.low > 0 else "",
                )
                for each in confusions
            ],
        )
        if confusions
        else quiet("No confusion of two classes became more frequent.")
    )
    return (
        say(_worst(found.classes, "class", found.change))
        + parts_html(
            parts_info(found.classes, mean=whole(found.classes)),
            caption="How often right, by class; those that lost most first",
            head="Class",
            before=capitalised(both.before),
            after=capitalised(both.after),
        )
        + quiet(_TOGETHER + " The lines at the dots are 95 % intervals of each alone.")
        + bars
    )


def _worst(parts: Sequence[Part], kind: str, change: Estimate) -> str:
    worst, falling = parts[0], [part for part in parts if part.falls(FALLS_BEYOND)]
    mean = f"The mean changes by {points(change.value)} points"
    if falling:
        names = ", ".join(part.name for part in falling[:3]) + (" and others" if len(falling) > 3 else "")
        return f"{mean}; surely much worse off: {names}. The largest loss is that of {_whose(worst)}, {_lost(worst)}."
    if worst.change.value >= 0:
        return f"{mean}; no {kind} has fewer right than before."
    return (
        f"{mean}. The largest loss is that of {_whose(worst)}, {_lost(worst)}; that it is larger than that of all "
        "other images may be chance."
    )


def _whose(part: Part) -> str:
    return f"class {part.name}" if part.kind == "class" else part.name


def _lost(part: Part) -> str:
    return f"{points(-part.change.value)} points".replace("+", "")


def _groups(found: Comparison, both: Words) -> str:
    if not found.groups:
        return say("The images do not differ enough in brightness or contrast to be put into groups.")
    return (
        say(_worst(found.groups, "group", found.change))
        + parts_html(
            parts_info(found.groups),
            caption="How often right, by what the images look like; those that lost most first",
            head="Images",
            before=capitalised(both.before),
            after=capitalised(both.after),
        )
        + quiet(
            "The test images in thirds: by mean brightness, by contrast (standard deviation of the pixels) and, where "
            f"they are grey, by the share of ink. {_TOGETHER}"
        )
    )


def _calibration(found: Comparison, both: Words) -> str:
    before, after, over = found.calibration.before, found.calibration.after, found.calibration.over
    gap = after.over
    if gap.low > 0:
        told = f"No: {both.after} is too sure of itself, by {points(gap.value)} points.".replace("+", "")
    elif gap.high < 0:
        told = f"It is less sure than it could be, by {points(-gap.value)} points.".replace("+", "")
    else:
        told = f"As far as can be told: how sure {both.after} is fits how often it is right."
    diagrams = (
        calibration_html(before.bins, capitalised(both.before), "was"),
        calibration_html(after.bins, capitalised(both.after), "is"),
    )
    return (
        say(told)
        + figures(
            _error(capitalised(both.before), before),
            _error(capitalised(both.after), after),
            figure(
                f"{points(over.value)} points",
                "more sure than right, compared with before",
                f"{_interval(change_range(over))}, measured on the same images",
            ),
        )
        + f'<div class="dsw-both">{"".join(diagrams)}</div>'
        + quiet(
            "How sure a network is of an image is the probability that it gives to its answer. On the dashed line it "
            "is right as often as it is sure; below, it is too sure. Larger dots stand for more images; upright lines "
            f"are 95 % intervals. {BINS} bins of equal width; intervals of errors from {RESAMPLED:,} bootstrap samples."
        )
    )


def _error(name: str, found: Calibration) -> str:
    error = explained(
        "calibration error",
        "The expected calibration error: how far apart how sure it is and how often it is right are, in the mean over "
        "images. On few images it is never nought, and looks larger than it is. In about 95 of 100 such "
        "measurements, or more, the true one lies in a range made so.",
    )
    return figure(
        f"{100 * found.error.value:.1f} points",
        name,
        f"{error}, {100 * found.error.low:.1f} to {100 * found.error.high:.1f}, measured; without any, chance alone "
        f"would show up to {100 * found.chance:.1f}. It is {percent(found.confidence.value)} sure in the mean.",
    )
