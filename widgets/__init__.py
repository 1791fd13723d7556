"""Panels for Jupyter: thin callers of the engine in `workbench`. `widgets.app.Workbench()` shows them together."""
