"""From colours to regions that mean the same in every frame."""
