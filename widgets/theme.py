"""How everything looks: colours, the style sheet, and the plot layout for the light and the dark theme.

Colours of the page are JupyterLab's CSS variables, so that both themes follow; those of the plots are the palette of
Okabe and Ito (2008), which people with any kind of colour vision can tell apart.
"""

from __future__ import annotations

from typing import Any

BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7f7f7f"

CSS = """
.dsw { --dsw-gap: 12px; font-size: 14px; overflow: visible; }
.dsw .jupyter-widgets { max-width: 100%; }
.dsw-app { display: grid; gap: var(--dsw-gap); padding: 4px; box-sizing: border-box; width: 100%;
  grid-template-columns: minmax(300px, 380px) minmax(0, 1fr); align-items: start; overflow: visible; }
.dsw-app > * { min-width: 0; margin: 0; }
.dsw-column { display: grid; gap: var(--dsw-gap); min-width: 0; overflow: visible;
  grid-template-columns: minmax(0, 1fr); }
.dsw-panel { background: var(--jp-layout-color1, #fff); border: 1px solid var(--jp-border-color2, #d0d0d0);
  border-radius: 8px; padding: 10px 14px 12px; margin: 0; box-sizing: border-box; width: 100%; overflow: visible; }
.dsw-panel h2, .dsw-panel h3 { color: var(--jp-ui-font-color1, #111); margin: 2px 0 4px;
  line-height: 1.3; font-weight: 600; }
.dsw-panel h2 { font-size: 16px; } .dsw-panel h3 { font-size: 14px; }
.dsw, .dsw .widget-html-content, .dsw .widget-label, .dsw p, .dsw td, .dsw th { color: var(--jp-ui-font-color1, #111); }
.dsw .widget-html-content, .dsw p { line-height: 1.45; }
.dsw-quiet, .dsw .dsw-quiet { color: var(--jp-ui-font-color2, #555); font-size: 13px; }
.dsw-error { border-left: 4px solid #D55E00; padding: 4px 10px; background: var(--jp-layout-color2, #f4f4f4); }
.dsw details summary { cursor: pointer; color: var(--jp-ui-font-color2, #555); font-size: 13px; }
.dsw .widget-inline-hbox .widget-label, .dsw .widget-inline-vbox .widget-label { width: 118px; flex: 0 0 118px;
  text-align: left; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.dsw .widget-inline-hbox { margin-left: 0; margin-right: 0; box-sizing: border-box; overflow: visible; }
.dsw .widget-readout { min-width: 56px; flex: 0 0 56px; text-align: right; padding: 0; overflow: visible;
  color: var(--jp-ui-font-color1, #111); }
.dsw .widget-hslider, .dsw .widget-dropdown, .dsw .widget-text, .dsw .widget-textarea,
.dsw .widget-hprogress { width: 100%; }
.dsw-step { border-top: 1px solid var(--jp-border-color3, #e4e4e4); padding: 6px 0 4px; overflow: visible; }
.dsw-step > .widget-checkbox .widget-label-basic, .dsw-step > .widget-checkbox label { font-weight: 600; }
.dsw .widget-checkbox label { white-space: normal; }
.dsw-step .widget-checkbox { width: 100%; }
.dsw-more { padding-left: 12px; border-left: 2px solid var(--jp-border-color3, #e4e4e4); overflow: visible; }
.dsw-numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 8px; margin: 2px 0; }
.dsw-number { border: 1px solid var(--jp-border-color3, #e4e4e4); border-radius: 6px; padding: 6px 10px; }
.dsw-number b { display: block; font-size: 20px; line-height: 1.3; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.dsw-number span { display: block; color: var(--jp-ui-font-color2, #555); font-size: 12px; line-height: 1.35; }
.dsw-buttons { display: flex; flex-flow: row wrap; gap: 6px; overflow: visible; align-items: center; }
.dsw-buttons .jupyter-button, .dsw-buttons button { width: auto; margin: 0; }
.dsw table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
.dsw th, .dsw td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--jp-border-color3, #e4e4e4); }
.dsw tbody td:first-child { min-width: 180px; }
.dsw th, .dsw td { padding: 4px 6px; }
.dsw tbody td:last-child { position: sticky; right: 0; background: var(--jp-layout-color1, #fff); }
.dsw td.number, .dsw th.number { text-align: right; white-space: nowrap; }
.dsw .dsw-link { background: none; border: none; box-shadow: none; padding: 0; height: 22px; line-height: 22px;
  width: auto; color: var(--jp-ui-font-color2, #555); text-decoration: underline; font-size: 13px; margin: 0 0 4px; }
.dsw-scroll { overflow-x: auto; }
.dsw button:focus-visible, .dsw [role=slider]:focus-visible, .dsw input:focus-visible, .dsw select:focus-visible,
.dsw textarea:focus-visible, .dsw summary:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
@media (max-width: 860px) { /* one column, the plot above the sliders so that both are in view */
  .dsw-app { grid-template-columns: minmax(0, 1fr); }
  .dsw-column { display: contents; }
  .dsw-app .dsw-panel { order: 4; }
  .dsw-app .dsw-column:first-child > :first-child { order: 1; }
  .dsw-app .dsw-column:nth-child(2) > :first-child { order: 2; }
  .dsw-app .dsw-column:first-child > :last-child { order: 3; }
  .dsw-app tbody td:first-child { min-width: 120px; }
  .dsw-app td button { display: block; }
}
@media (prefers-reduced-motion: reduce) { .dsw * { transition: none !important; animation: none !important; } }
"""


def plot_layout(dark: bool) -> dict[str, Any]:
    """Return the part of a plotly layout that follows the theme; backgrounds are transparent."""
    ink, grid = ("#e8e8e8", "#4a4a4a") if dark else ("#1a1a1a", "#dddddd")
    axis = {"gridcolor": grid, "linecolor": grid, "zerolinecolor": grid, "tickcolor": grid, "color": ink}
    return {
        "font": {"color": ink, "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": {"bgcolor": "#2b2b2b" if dark else "#ffffff", "font": {"color": ink}, "align": "left"},
        "legend": {"font": {"color": ink}},
    }
