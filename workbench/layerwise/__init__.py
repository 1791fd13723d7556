"""A compressed network layer by layer: what each of its layers takes, what it lost, and where its weights went.

`rows` puts it together, `outputs` measures the loss of each layer, `histogram` counts its weights. `run.layer_view`
does all of it for a job.
"""
