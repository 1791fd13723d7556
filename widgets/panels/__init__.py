"""One panel in each file; each takes an `AppState` and works alone in a notebook cell."""
