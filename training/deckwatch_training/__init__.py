"""Data sets, training, calibration, evaluation and export. The only part that imports torch."""
