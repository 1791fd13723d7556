"""Data sets: one public file each; `workbench.registry.data` lists them."""
