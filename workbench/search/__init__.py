"""The machine searches: what each layer bears, the best recipe within a budget, architectures."""
