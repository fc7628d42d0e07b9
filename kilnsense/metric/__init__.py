"""Metric learning: colour differences, distances, losses, miners and samplers.

Pure functions on arrays and tensors. Nothing is imported here, so that `samplers` stays usable where torch
is not installed.
"""
