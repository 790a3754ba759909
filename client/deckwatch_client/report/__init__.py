"""The trip report: one HTML page, for review and for printing, from the results of a run."""
