"""One file, one score of weights."""
