"""Labelling archives: every input gets exactly one row, whatever it is like and whenever a run dies."""
