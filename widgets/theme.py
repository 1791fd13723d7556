"""How everything looks: colours, the style sheet, and the plot layout for the light and the dark theme.

Colours of the page are JupyterLab's CSS variables, so that both themes follow; those of the plots are the palette of
Okabe and Ito (2008), which people with any kind of colour vision can tell apart.
"""

from __future__ import annotations

from typing import Any

BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7f7f7f"

PERCENT = ".3~%"
"""How axes write fractions: with as many digits as tell two ticks apart, and no more (99%, 99.5%)."""

PICTURES = """
.dsw .dsw-flips { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 8px; margin: 4px 0;
  padding: 0; list-style: none; }
.dsw-flip { border: 2px solid #D55E00; border-radius: 6px; padding: 6px; text-align: center; font-size: 12px;
  line-height: 1.35; overflow-wrap: anywhere; }
.dsw-flip.dsw-gained { border: 2px dashed #009E73; }
.dsw-flip img { display: block; width: 72px; height: 72px; object-fit: contain; margin: 0 auto 4px;
  image-rendering: pixelated; }
.dsw-flip b, .dsw-flip span { display: block; }
.dsw .dsw-parts { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
.dsw .dsw-parts caption { text-align: left; font-weight: 600; padding: 2px 0 4px; }
.dsw .dsw-parts th, .dsw .dsw-parts td { text-align: left; padding: 4px 10px 4px 0; vertical-align: middle;
  font-weight: 400; border-bottom: 1px solid var(--jp-border-color3, #e4e4e4); overflow-wrap: anywhere; }
.dsw .dsw-parts tbody th { width: 24%; } .dsw .dsw-parts td:first-child { min-width: 0; }
.dsw .dsw-parts thead th { font-size: 12px; color: var(--jp-ui-font-color2, #555); }
.dsw .dsw-parts small { display: block; font-size: 12px; color: var(--jp-ui-font-color2, #555); }
.dsw .dsw-parts b { font-weight: 600; }
.dsw .dsw-parts .dsw-whole > th, .dsw .dsw-parts .dsw-worse > th { font-weight: 650; }
.dsw .dsw-parts .dsw-lane, .dsw .dsw-parts .dsw-axis { width: 36%; padding: 4px 30px 4px 12px; }
.dsw-axis > div { display: flex; justify-content: space-between; }
.dsw-axis span { width: 0; white-space: nowrap; display: flex; justify-content: center; }
.dsw-lane > div { position: relative; height: 26px; border-left: 1px solid var(--jp-border-color2, #d0d0d0);
  border-right: 1px solid var(--jp-border-color2, #d0d0d0); background: linear-gradient(to right,
  transparent calc(50% - 0.5px), var(--jp-border-color3, #e4e4e4) calc(50% - 0.5px) calc(50% + 0.5px),
  transparent calc(50% + 0.5px)); }
.dsw-lane i { position: absolute; display: block; box-sizing: border-box; }
.dsw-lane .dsw-was { top: 2px; } .dsw-lane .dsw-is { top: 13px; }
.dsw-lane .dsw-was, .dsw-lane .dsw-is { margin-left: -5px; }
.dsw-was, .dsw-is { width: 10px; height: 10px; }
.dsw-was { border-radius: 50%; background: var(--jp-layout-color1, Canvas); border: 2px solid #7f7f7f; }
.dsw-is { background: #0072B2; } .dsw-worse .dsw-is, .dsw-is.dsw-worse { background: #D55E00; }
.dsw-was-range { top: 6px; height: 2px; background: #9a9a9a; }
.dsw-is-range { top: 17px; height: 2px; background: #0072B2; } .dsw-worse .dsw-is-range { background: #D55E00; }
.dsw .dsw-marks { list-style: none; display: flex; flex-flow: row wrap; gap: 2px 18px; margin: 4px 0 6px; padding: 0;
  font-size: 13px; }
.dsw .dsw-marks i { display: inline-block; box-sizing: border-box; margin-right: 6px; }
.dsw-both { display: grid; gap: 8px 24px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
.dsw-sure { margin: 0; min-width: 0; } .dsw-sure figcaption { font-weight: 600; }
.dsw-sure svg { display: block; width: 100%; max-width: 360px; height: auto; overflow: visible; }
.dsw-sure svg text { fill: var(--jp-ui-font-color2, #555); font-size: 12px; }
.dsw-sure .dsw-grid path { stroke: var(--jp-border-color2, #d0d0d0); fill: none; }
.dsw-sure .dsw-grid .dsw-ideal { stroke: var(--jp-ui-font-color2, #555); stroke-dasharray: 4 4; }
.dsw-dot-was path { stroke: #7f7f7f; stroke-width: 2; } .dsw-dot-is path { stroke: #0072B2; stroke-width: 2; }
.dsw-dot-was circle { fill: var(--jp-layout-color1, Canvas); stroke: #7f7f7f; stroke-width: 2; }
.dsw-dot-is circle { fill: #0072B2; }
@media (max-width: 560px) { /* a line of its own for the name and the dots */
  .dsw .dsw-parts thead th:not(.dsw-axis) { display: none; }
  .dsw .dsw-parts tr { display: grid; grid-template-columns: 1fr 1fr; }
  .dsw .dsw-parts tbody th { width: auto; border: none; grid-column: 1 / 3; }
  .dsw .dsw-parts .dsw-lane, .dsw .dsw-parts .dsw-axis { width: auto; border: none; grid-column: 1 / 3; }
}
"""
"""Of pictures without a script, on pages and in reports."""

CSS = (
    """
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
.dsw .widget-html-content { min-width: 0; } /* a wide table scrolls in its box instead of widening the page */
.dsw-quiet, .dsw .dsw-quiet { color: var(--jp-ui-font-color2, #555); font-size: 13px; }
.dsw-line, .dsw .dsw-line { min-height: 20px; margin: 0; }
.dsw.jupyter-widgets-disconnected::before, .dsw .jupyter-widgets-disconnected::before { content: none; }
.dsw-gone { position: fixed; z-index: 1000; top: 0; left: 0; right: 0; padding: 12px 20px; text-align: center;
  color: #000; background: #F0E442; font: 16px/1.4 system-ui, sans-serif; }
.dsw-error { border-left: 4px solid #D55E00; padding: 4px 10px; background: var(--jp-layout-color2, #f4f4f4); }
.dsw a { color: var(--jp-content-link-color, #0b57a4); text-decoration: underline; }
.dsw details summary { cursor: pointer; color: var(--jp-ui-font-color2, #555); font-size: 13px; }
.dsw .widget-inline-hbox .widget-label, .dsw .widget-inline-vbox .widget-label { width: 118px; flex: 0 0 118px;
  text-align: left; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.dsw .widget-inline-hbox { margin-left: 0; margin-right: 0; box-sizing: border-box; overflow: visible; }
.dsw .widget-readout { min-width: 56px; flex: 0 0 56px; text-align: right; padding: 0; overflow: visible;
  color: var(--jp-ui-font-color1, #111); }
.dsw { --dsw-focus: #0072B2; } [data-jp-theme-light=false] .dsw { --dsw-focus: #56B4E9; }
.dsw .widget-slider .noUi-handle { background: var(--dsw-focus); border-color: var(--dsw-focus); }
.dsw .widget-slider [disabled].noUi-target { opacity: 1; }
.dsw .widget-slider [disabled] .noUi-handle { background: #7f7f7f; border-color: #7f7f7f; }
.dsw .widget-hslider, .dsw .widget-dropdown, .dsw .widget-text, .dsw .widget-textarea,
.dsw .widget-hprogress { width: 100%; }
.dsw-step { border-top: 1px solid var(--jp-border-color3, #e4e4e4); padding: 6px 0 4px; overflow: visible; }
.dsw-step > .widget-checkbox .widget-label-basic, .dsw-step > .widget-checkbox label { font-weight: 600; }
.dsw .widget-checkbox label { white-space: normal; }
.dsw-step .widget-checkbox { width: 100%; }
.dsw-more { padding-left: 12px; border-left: 2px solid var(--jp-border-color3, #e4e4e4); overflow: visible; }
.dsw-numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(126px, 1fr)); gap: 8px; margin: 2px 0; }
.dsw-number { border: 1px solid var(--jp-border-color2, #d0d0d0); border-radius: 6px; padding: 6px 10px;
  min-height: 84px; }
.dsw-number b { display: block; font-size: 20px; line-height: 1.3; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.dsw-number span { display: block; color: var(--jp-ui-font-color2, #555); font-size: 12px; line-height: 1.35; }
.dsw-provisional .dsw-number { border-style: dashed; }
.dsw .dsw-provisional .dsw-number b { color: var(--jp-ui-font-color2, #555); }
.dsw-heading { display: flex; flex-flow: row wrap; align-items: baseline; gap: 0 14px; overflow: visible; }
.dsw-inside { overflow: visible; width: 100%; }
.dsw .dsw-inside p { margin: 2px 0 4px; }
.dsw .dsw-wide { overflow: auto hidden; width: 100%; }
.dsw .dsw-chart { min-width: 580px; width: 100%; overflow: hidden; }
.dsw .dsw-layers { max-height: 470px; overflow: hidden auto; scrollbar-gutter: stable; width: 100%; }
.dsw .dsw-layers > * { flex: none; }
.dsw .dsw-chart > .widget-html .widget-html-content > div { display: grid; grid-template-columns: repeat(4, 1fr);
  overflow: hidden; scrollbar-gutter: stable; font-size: 12px; color: var(--jp-ui-font-color2, #555); }
.dsw .dsw-own { border-left: 2px solid var(--jp-border-color3, #e4e4e4); padding-left: 12px; overflow: visible; }
.dsw .dsw-own .widget-inline-hbox .widget-label { width: 156px; flex-basis: 156px; }
.dsw .dsw-own .widget-hbox { flex-flow: row wrap; gap: 8px; align-items: center; overflow: visible; }
.dsw .dsw-own button { width: auto; margin: 0; height: 26px; line-height: 26px; }
.dsw-limits { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 0 24px; width: 100%; }
.dsw .dsw-limits .widget-inline-hbox { width: auto; }
.dsw-buttons { display: flex; flex-flow: row wrap; gap: 6px; overflow: visible; align-items: center;
  margin-bottom: 2px; }
.dsw-buttons .jupyter-button, .dsw-buttons button { width: auto; margin: 0; }
.dsw-copy { display: flex; flex-flow: row wrap; gap: 6px; align-items: center; }
.dsw-copy input { width: 320px; max-width: 100%; box-sizing: border-box; font: inherit; padding: 3px 6px;
  color: var(--jp-ui-font-color1, #111); background: var(--jp-layout-color1, #fff);
  border: 1px solid var(--jp-border-color1, #bbb); }
.dsw-copy input[hidden] { display: none; }
.dsw button:disabled { opacity: 0.5; cursor: not-allowed; }
.dsw table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
.dsw th, .dsw td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--jp-border-color3, #e4e4e4); }
.dsw tbody td:first-child { min-width: 180px; }
.dsw th, .dsw td { padding: 4px 6px; }
.dsw td.dsw-actions { position: sticky; right: 0; background: var(--jp-layout-color1, #fff); white-space: nowrap; }
.dsw td.dsw-actions button { width: auto; margin: 0 4px 0 0; height: 26px; line-height: 26px; }
.dsw button.dsw-sort { all: unset; cursor: pointer; font-weight: 600; }
.dsw button.dsw-pick { all: unset; cursor: pointer; overflow-wrap: anywhere; }
.dsw .dsw-bar { display: block; padding-bottom: 3px; margin-bottom: -3px; /* the line lies between text and border */
  background: linear-gradient(#56B4E9, #56B4E9) left bottom / var(--dsw-bar) 3px no-repeat,
  linear-gradient(rgb(127 127 127 / 30%) 0 0) left bottom / 100% 3px no-repeat; }
.dsw tr.dsw-selected > * { background-color: color-mix(in srgb, #E69F00 22%, transparent); }
.dsw tr.dsw-selected > td.dsw-actions { /* it lies over other cells, which must not shine through */
  background-color: color-mix(in srgb, #E69F00 22%, var(--jp-layout-color1, #fff)); }
.dsw tr.dsw-selected .dsw-pick { font-weight: 600; }
.dsw td.number, .dsw th.number { text-align: right; white-space: nowrap; }
.dsw .dsw-link { background: none; border: none; box-shadow: none; padding: 0; height: 22px; line-height: 22px;
  width: auto; color: var(--jp-ui-font-color2, #555); text-decoration: underline; font-size: 13px; margin: 0 0 4px; }
.dsw-scroll { overflow-x: auto; }
.dsw .dsw-narrow-names tbody td:first-child { min-width: 130px; }
.dsw .dsw-ranges tbody td:first-child { min-width: 100px; }
/* Voila breaks words of what code prints: here its lines stay whole, and all that a cell printed scrolls as one */
#rendered_cells .jp-RenderedText pre { white-space: pre; word-break: normal; overflow-wrap: normal; }
#rendered_cells :is(.jp-OutputArea-child:has(> .jp-RenderedText), .jp-RenderedText, .jp-RenderedText pre) {
  overflow: visible; }
#rendered_cells .jp-OutputArea:focus-visible { outline: 3px solid #0072B2; outline-offset: -3px; }
[data-jp-theme-light=false] #rendered_cells .jp-OutputArea:focus-visible { outline-color: #56B4E9; }
/* scroll bars that are seen also where the system hides them until something moves */
:is(.dsw-scroll, .dsw-wide, #rendered_cells .jp-OutputArea:has(.jp-RenderedText))::-webkit-scrollbar { height: 10px; }
:is(.dsw-scroll, .dsw-wide, #rendered_cells .jp-OutputArea:has(.jp-RenderedText))::-webkit-scrollbar-thumb {
  background: #7f7f7f; border-radius: 5px; }
.dsw .dsw-allowed { display: flex; flex-flow: row wrap; gap: 0 14px; align-items: center; overflow: visible; }
.dsw .dsw-allowed .widget-checkbox { width: auto; margin: 0 2px; }
.dsw .dsw-allowed .dsw-allowed-title { width: 118px; margin: 0; }
.dsw .dsw-stale { opacity: 0.55; }
.dsw .dsw-findings { margin: 0 0 8px; padding-left: 22px; line-height: 1.45; }
.dsw .dsw-findings li { margin: 0 0 6px; }
.dsw .dsw-inside h3 { font-size: 14px; margin: 10px 0 2px; }
.dsw :is(a, button, input, select, textarea, summary, [tabindex], [contenteditable]):focus-visible {
  outline: 3px solid var(--dsw-focus) !important; outline-offset: 2px; } /* ipywidgets takes outlines away */
.dsw-graph { display: grid; gap: var(--dsw-gap); align-items: start; width: 100%; overflow: visible;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
.dsw-graph.dsw-two { grid-template-columns: minmax(0, 1fr); }
.dsw-graphs { display: grid; gap: var(--dsw-gap); min-width: 0; overflow: visible;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); align-items: end; }
.dsw-sheet { display: grid; grid-template-columns: minmax(0, 1fr); min-width: 0; overflow: visible; }
.dsw iframe.dsw-netron { display: block; width: 100%; height: 480px; box-sizing: border-box; border-radius: 6px;
  border: 1px solid var(--jp-border-color2, #d0d0d0); color-scheme: normal; }
.dsw iframe.dsw-netron[hidden] { display: none; }
.dsw-rows { min-width: 0; max-height: 510px; overflow: auto; }
.dsw .dsw-rows > * { flex: 1; min-width: 0; }
.dsw-rows .dsw-scroll { overflow: visible; }
.dsw .dsw-rows tbody td:first-child { min-width: 90px; }
.dsw .dsw-rows tbody tr { cursor: pointer; }
.dsw .dsw-rows thead th { position: sticky; top: 0; background: var(--jp-layout-color1, #fff); white-space: normal; }
.dsw-tree { overflow: auto; max-height: 560px; width: 100%; }
.dsw-tree svg { display: block; }
.dsw-tree .dsw-edge path { fill: none; stroke: var(--jp-border-color1, #9a9a9a); stroke-width: 1.5; }
.dsw-tree text { font-size: 12px; fill: var(--jp-ui-font-color1, #111); font-variant-numeric: tabular-nums; }
.dsw-tree .dsw-edge text { font-size: 11px; fill: var(--jp-ui-font-color2, #555); }
.dsw-tree .dsw-edge:hover path { stroke: var(--jp-ui-font-color1, #111); }
.dsw-tree .dsw-node { fill: var(--jp-layout-color1, #fff); stroke: var(--jp-ui-font-color2, #555); stroke-width: 1.2; }
.dsw-tree .dsw-node text { stroke: none; }
.dsw-tree .dsw-node .dsw-now { font-size: 11px; font-weight: 600; }
.dsw-tree .dsw-node[data-key] { cursor: pointer; outline: none !important; }
.dsw-tree .dsw-hit { fill: transparent; stroke: none; }
.dsw-tree .dsw-ring { fill: none; stroke: none; }
.dsw-tree .dsw-node:hover .dsw-ring { stroke: var(--jp-ui-font-color2, #555); }
.dsw-tree .dsw-node:focus-visible .dsw-ring { stroke: var(--dsw-focus); stroke-width: 3; }
.dsw-tree .dsw-node.dsw-selected .dsw-ring { stroke: #E69F00; stroke-width: 3; }
.dsw-tree .dsw-node.dsw-selected text { font-weight: 600; }
.dsw .dsw-verdict { border-left: 4px solid #E69F00; padding: 4px 10px; background: var(--jp-layout-color2, #f4f4f4); }
.dsw .dsw-verdict.dsw-right { border-left-color: #009E73; }
.dsw .dsw-given { max-width: 480px; } .dsw .dsw-given .widget-label { width: auto; flex: 0 0 auto; padding-right: 8px; }
.dsw .dsw-choices { width: 100%; height: auto; } .dsw .dsw-choices .widget-radio-box { width: 100%; height: auto; }
.dsw .dsw-choices .widget-radio-box label { white-space: normal; height: auto; line-height: 1.4; margin-bottom: 4px; }
.dsw-key { display: flex; flex-flow: row wrap; gap: 2px 16px; align-items: center; }
.dsw-key i { display: inline-block; width: 90px; height: 10px; vertical-align: middle; border-radius: 2px; }
.dsw .dsw-picked th { width: 84px; vertical-align: top; }
.dsw .dsw-picked td { overflow-wrap: anywhere; min-width: 0; }
@media (max-width: 860px) { /* one column, the plot above the sliders so that both are in view */
  .dsw-app { grid-template-columns: minmax(0, 1fr); }
  .dsw-column { display: contents; }
  .dsw-app .dsw-panel { order: 4; }
  .dsw-app .dsw-column:first-child > :first-child { order: 1; }
  .dsw-app .dsw-column:nth-child(2) > :first-child { order: 2; }
  .dsw-app .dsw-column:first-child > :last-child { order: 3; }
  .dsw-app tbody td:first-child { min-width: 120px; }
  .dsw-app td button { display: block; }
  .dsw .dsw-ranges td.number, .dsw .dsw-ranges th.number { white-space: normal; } /* wrapped rather than scrolled */
}
@media (prefers-reduced-motion: reduce) { .dsw * { transition: none !important; animation: none !important; } }
"""
    + PICTURES
)


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
