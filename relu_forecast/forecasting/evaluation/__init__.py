"""Walk-forward evaluation: splits, fits, intervals, scores and tests."""
