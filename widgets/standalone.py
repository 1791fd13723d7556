"""One HTML file that opens anywhere: no script, nothing from a network, its own colours for light and dark."""

from __future__ import annotations

from widgets import theme
from widgets.answer_style import ANSWERS
from widgets.text import escape

_CSS = """
:root { color-scheme: light dark; }
body { font-family: system-ui, sans-serif; margin: 0 auto; padding: 24px 16px; max-width: 900px; background: #fff;
  color: #111; }
h1 { font-size: 28px; line-height: 1.25; }
.dsw-answer { border-top: 1px solid var(--jp-border-color2, #d0d0d0); padding: 14px 0 6px; }
footer { border-top: 1px solid var(--jp-border-color2, #d0d0d0); margin-top: 14px; font-size: 13px;
  overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  :root { --jp-ui-font-color1: #eee; --jp-ui-font-color2: #bbb; --jp-border-color2: #555; --jp-border-color3: #444;
    --jp-layout-color2: #333; }
  body { background: #111; color: #eee; }
}
@media print { .dsw-answer { break-inside: avoid; } .dsw-tip { display: none; } }
"""


def standalone(title: str, html: str, footer: str, *, pictures: bool = False) -> bytes:
    """Return the file as UTF-8; `html` and `footer` are HTML.

    Browsers are told to load nothing for it but its own styles and, with `pictures`, images that are in the file.
    """
    allowed = "default-src 'none'; style-src 'unsafe-inline'" + ("; img-src data:" if pictures else "")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{ANSWERS}{theme.PICTURES}{_CSS}</style></head>"
        f'<body><main class="dsw"><h1>{escape(title)}</h1>{html}</main><footer>{footer}</footer></body></html>\n'
    ).encode()
