"""Reconstruction: compressed weights whose layer still puts out what the layer of the reference network did.

Each layer is one least-squares problem, `problem.Problem`, of second moments of what it reads on calibration images
(`calibration`). Pruning and rounding are constraints on its solution (`supports`, `rounding`); `sequence` walks through
a network so that each layer also makes up for what the layers before it lost.
"""
