"""Search strategies: one public file for each; `workbench.registry.strategies` lists them."""
