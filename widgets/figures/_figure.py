"""Plotly figures that share one copy of plotly's front end, however many there are on a page.

A FigureWidget brings its own copy, 5 MB of JavaScript, which each figure sends to the page and compiles there. Worse,
anywidget gives a widget two seconds for that, and on a busy computer one that took longer is never told of any change
again. Here one hidden widget carries the code, and a figure fetches it when it is first shown: until then it only keeps
its newest state (see `_live.updating`), from which it starts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import anywidget
import plotly.graph_objects as go
import traitlets

from widgets import theme
from widgets.figures._live import CONFIG, updating

_SHARED = """
const shared = (globalThis.dswPlotly ??= (() => {
  const made = {};
  made.source = new Promise((resolve) => { made.give = resolve; });
  made.load = () => (made.module ??= made.source.then((text) =>
    import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })))));
  return made;
})());
"""
_FRONT_END = (
    _SHARED
    + """
export default { initialize({ model }) { shared.give(model.get("source")); } };
"""
)
_FIGURE = (
    _SHARED
    + """
export default () => {
  let figure;
  const made = async (context) => {
    const made = (await shared.load()).default();
    made.initialize(context);
    return made;
  };
  return {
    async render(context) {
      figure ??= made(context);
      const remove = (await figure).render(context);
      // plotly looks at its size when the window changes, and not when what folds around it does
      let width = 0;
      const watch = new ResizeObserver(() => {
        if (context.el.clientWidth && context.el.clientWidth !== width) {
          width = context.el.clientWidth;
          window.dispatchEvent(new Event("resize"));
        }
      });
      watch.observe(context.el);
      return () => { watch.disconnect(); remove(); };
    },
  };
};
"""
)


class _FrontEnd(anywidget.AnyWidget):
    """Carries the JavaScript; never shown."""

    _esm = _FRONT_END
    source = traitlets.Unicode().tag(sync=True)


class _Figure(go.FigureWidget):
    _esm = _FIGURE


@functools.cache
def _front_end() -> _FrontEnd:
    """Return the one of this process: pages that open later ask the kernel for every widget that there is."""
    return _FrontEnd(source=str(go.FigureWidget._esm))


@contextmanager
def figure_widget(dark: bool) -> Iterator[go.FigureWidget]:
    """Make a figure in the style of the page; what is put into it inside is what a page shows first."""
    _front_end()
    figure = _Figure(layout=theme.plot_layout(dark))
    figure._config = CONFIG
    with updating(figure):
        yield figure
