"""Files that carry a compressed network elsewhere."""
