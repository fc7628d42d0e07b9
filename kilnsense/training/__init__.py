"""Training: the loop that fits an encoder with triplets, and the job around it."""
