"""Measures: one public file each; `workbench.registry.measures` lists them."""
