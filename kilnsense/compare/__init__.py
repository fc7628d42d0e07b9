"""Which classifier is better, by how much, how sure, and where it fails: on the same grouped folds."""
