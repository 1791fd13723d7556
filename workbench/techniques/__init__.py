"""Compression techniques: one public file each; `workbench.registry.techniques` lists them."""
