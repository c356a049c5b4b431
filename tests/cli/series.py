"""Times of the series that commands are given, and how a command is told of their columns."""

import pandas as pd

HOURS = pd.date_range("2026-01-01", periods=124, freq="h")
COLUMNS = ["--column", "value", "--time-col", "when"]
