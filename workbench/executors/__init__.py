"""Where jobs are done: one file = one executor (see `workbench.executing`)."""
