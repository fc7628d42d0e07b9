"""The live monitor: cameras, models, decisions, alarms, history, page and links in one station."""
