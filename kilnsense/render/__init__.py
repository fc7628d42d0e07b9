"""A synthetic kiln camera with known truth: physics, scene, camera, runs, and `simulate` to write them.

Nothing is imported here, so that the command line can name the difficulties without loading OpenCV.
"""
