"""Networks that differ in a few settings: planned, trained, judged alike and laid side by side."""
