"""Two networks side by side: `Compare()` in a notebook cell, the same in JupyterLab and in Voila."""

from widgets.compare.page import Compare

__all__ = ["Compare"]
