"""Times that were measured: side by side, one measurement at a time, with the noise of the machine beside them."""
