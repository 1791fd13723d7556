"""The page for people who do not read code: `Stakeholder()` in a notebook cell. It reads stored results, runs nothing.

torch is never imported, so that a visitor takes a third of the memory that the workbench takes.
"""

from widgets.stakeholder.page import Stakeholder

__all__ = ["Stakeholder"]
