"""A live camera: its source, capture, picture watch, decision over time, and alarms."""
