"""Networks: one public file for each family; `workbench.registry.models` lists them."""
