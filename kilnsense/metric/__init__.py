"""Metric learning: colour differences, distances, losses, miners and samplers.

Pure functions on arrays and tensors. Nothing is imported here, so that `colour_numpy` and `samplers` stay
usable where torch is not installed.
"""
