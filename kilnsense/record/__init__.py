"""Result tables and reports: what was found, written so that nothing half-written is ever seen."""
