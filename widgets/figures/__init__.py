"""Pictures of results: `x_info(rows)` says what is drawn, `x_figure(info)` only draws it."""
