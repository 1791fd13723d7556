"""One file, one rounding method."""
