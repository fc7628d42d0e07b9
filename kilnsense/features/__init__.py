"""From frames and embeddings to the rows that classifiers see."""
