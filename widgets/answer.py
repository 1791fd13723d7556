"""An answer as HTML, for a page and for a report alike: a sentence, big figures, remarks, explained words.

Its style is that of `answer_style`. Arguments are plain text unless they say otherwise.
"""

from __future__ import annotations

from widgets.text import escape


def section(title: str, html: str) -> str:
    """Return an answer with its heading; `html` is HTML."""
    return f'<section class="dsw-answer"><h2>{escape(title)}</h2>{html}</section>'


def say(sentence: str) -> str:
    """Return the answer in a sentence."""
    return f'<p class="dsw-say">{escape(sentence)}</p>'


def quiet(sentence: str) -> str:
    """Return a remark."""
    return f'<p class="dsw-quiet">{escape(sentence)}</p>'


def figures(*cards: str) -> str:
    """Return big figures side by side."""
    return f'<div class="dsw-figures">{"".join(cards)}</div>'


def figure(number: str, what: str, how: str) -> str:
    """Return a big figure; `how` is HTML."""
    about = f"<span>{escape(what)}</span>" if what else ""
    return f'<div class="dsw-figure"><b>{escape(number)}</b>{about}<small>{how}</small></div>'


def explained(shown: str, explanation: str) -> str:
    """Return a word with what it means, which pointer, touch and keyboard bring up."""
    tip = f'<span class="dsw-tip" role="tooltip">{escape(explanation)}</span>'
    return f'<span class="dsw-term" tabindex="0">{escape(shown)}{tip}</span>'
