"""From fused rows to verdicts: classifiers, calibration, familiarity, measures. Never imports torch."""
