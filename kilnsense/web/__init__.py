"""Pages that this machine serves to a browser on it: nothing from outside, nothing to outside."""
