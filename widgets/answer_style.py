"""What the answers of `answer` look like, on a page and in a report, which has no JupyterLab to take colours from."""

ANSWERS = """
.dsw-answer { color: var(--jp-ui-font-color1, #111); font-size: 15px; line-height: 1.45; position: relative;
  overflow-wrap: anywhere; }
.dsw-answer h2 { font-size: 22px; line-height: 1.3; margin: 4px 0 6px; font-weight: 600; }
.dsw-answer .dsw-say { font-size: 17px; line-height: 1.45; margin: 0 0 12px; max-width: 70ch; }
.dsw-answer .dsw-quiet { color: var(--jp-ui-font-color2, #555); font-size: 13px; margin: 6px 0; max-width: 90ch; }
.dsw-answer small { font-size: 12px; line-height: 1.4; color: var(--jp-ui-font-color2, #555); display: block; }
.dsw-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 210px), 1fr)); gap: 10px;
  margin: 0 0 14px; }
.dsw-figure { border: 1px solid var(--jp-border-color2, #d0d0d0); border-radius: 8px; padding: 10px 14px; }
.dsw-figure b { display: block; font-size: 28px; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.dsw-figure > span { display: block; font-size: 14px; margin: 2px 0 4px; }
.dsw-term { text-decoration: underline dotted; text-underline-offset: 3px; cursor: help; }
.dsw-term:focus-visible, .dsw-scroll:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
.dsw-tip { visibility: hidden; position: absolute; left: 0; right: 0; max-width: 420px; margin: 1.7em 0 0;
  padding: 8px 12px; z-index: 10; border-radius: 6px; font-size: 13px; line-height: 1.4; font-weight: 400;
  white-space: normal; color: #fff; background: #2b2b2b; border: 1px solid #777; }
.dsw-term:hover > .dsw-tip, .dsw-term:focus > .dsw-tip { visibility: visible; }
.dsw-answer .dsw-bars { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums;
  margin: 0 0 6px; overflow-wrap: break-word; }
.dsw-answer .dsw-bars caption { text-align: left; font-weight: 600; padding: 2px 0 4px; }
.dsw-answer .dsw-bars th, .dsw-answer .dsw-bars td { text-align: left; padding: 5px 8px 5px 0; vertical-align: top;
  border-bottom: 1px solid var(--jp-border-color3, #e4e4e4); font-weight: 400; }
.dsw-answer .dsw-bars thead th { font-size: 12px; color: var(--jp-ui-font-color2, #555); }
.dsw-answer .dsw-bars tbody td:first-child { min-width: 0; }
.dsw-answer .dsw-bars .dsw-chosen th, .dsw-answer .dsw-bars .dsw-chosen .dsw-said { font-weight: 650; }
.dsw-answer .dsw-bars .dsw-chosen small { font-weight: 400; }
.dsw-answer .dsw-bars td.dsw-track { width: 50%; vertical-align: middle; }
.dsw-track > div { position: relative; height: 20px; }
.dsw-track i { position: absolute; display: block; }
.dsw-track .dsw-fill { top: 2px; height: 16px; background: #56B4E9; border-radius: 2px; }
.dsw-before .dsw-fill { background: #9a9a9a; } .dsw-chosen .dsw-fill { background: #0072B2; }
.dsw-bad .dsw-fill { background: #D55E00; }
.dsw-track .dsw-spread { top: 9px; height: 2px; background: var(--jp-ui-font-color1, #111); }
.dsw-track .dsw-zero { top: 0; width: 1px; height: 20px; background: var(--jp-ui-font-color2, #555); }
.dsw-dots { display: block; width: 100%; max-width: 760px; height: auto; }
.dsw-answer .dsw-legend { list-style: none; display: flex; flex-flow: row wrap; gap: 2px 18px; margin: 6px 0;
  padding: 0; font-size: 14px; }
.dsw-legend i { display: inline-block; width: 11px; height: 11px; margin-right: 6px; }
.dsw-room { height: 8px; width: 100%; min-width: 50px; background: var(--jp-layout-color2, #eee); margin: 6px 0 4px;
  border-radius: 2px; overflow: hidden; }
.dsw-room i { display: block; height: 100%; background: #56B4E9; } .dsw-bad .dsw-room i { background: #D55E00; }
.dsw-yes { white-space: nowrap; } .dsw-no { color: var(--jp-ui-font-color2, #555); }
.dsw-answer .dsw-scroll { overflow-x: auto; } .dsw-answer .dsw-scroll .dsw-bars { min-width: 560px; }
.dsw-stakeholder .dsw-questions .widget-toggle-buttons { width: 100%; }
.dsw-stakeholder .dsw-questions .jupyter-button { width: auto; height: auto; min-height: 34px; line-height: 1.3;
  white-space: normal; padding: 6px 12px; margin: 0 6px 6px 0; }
.dsw-stakeholder .dsw-controls { display: grid; gap: 0 24px; overflow: visible;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.dsw-stakeholder .dsw-controls > * { width: auto; min-width: 0; }
.dsw-stakeholder .widget-readout { flex-basis: 122px; }
.dsw-stakeholder .dsw-inside > .widget-html { margin: 12px 0 4px; }
.dsw-stakeholder .dsw-inside > .widget-html > .widget-html-content { min-width: 0; }
.dsw-stakeholder .dsw-answer .dsw-say { margin: 0 0 12px; }
.dsw-compare .dsw-controls .widget-dropdown .widget-label, .dsw-compare .dsw-controls .widget-text .widget-label {
  width: 56px; flex-basis: 56px; }
.dsw-compare .dsw-inside > .widget-html { margin: 0; min-height: 0; height: auto; }
.dsw-compare .dsw-answer { border-top: 1px solid var(--jp-border-color2, #d0d0d0); padding: 14px 0 6px; }
.dsw-answer .dsw-alarms { list-style: none; margin: 0 0 10px; padding: 0; display: grid; gap: 8px; }
.dsw-answer .dsw-alarm { border-left: 4px solid #D55E00; padding: 6px 12px;
  background: color-mix(in srgb, #D55E00 9%, transparent); }
.dsw-answer .dsw-alarm b { font-weight: 600; display: block; }
.dsw-answer .dsw-calm { border-left: 4px solid #009E73; padding: 6px 12px;
  background: color-mix(in srgb, #009E73 9%, transparent); }
.dsw-answer .dsw-could { font-size: 13px; } .dsw-answer .dsw-could p { margin: 4px 0; }
.dsw-answer .dsw-could ul { margin: 4px 0 8px; padding-left: 22px; line-height: 1.5; }
.dsw-answer .dsw-bars thead small { font-size: 12px; }
"""
