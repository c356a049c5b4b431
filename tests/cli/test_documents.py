"""What commands print."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from relu_forecast.cli.documents import print_document


def test_documents_hold_what_json_has(capsys: pytest.CaptureFixture[str]) -> None:
    print_document({"a": [np.nan, np.inf, np.float64(0.1), np.int64(2)], 3: None,
                    "t": (pd.Timedelta("1ms"), pd.Timestamp("2026-01-01", tz="UTC"))})
    assert json.loads(capsys.readouterr().out) == {
        "a": [None, None, 0.1, 2], "3": None,
        "t": ["P0DT0H0M0.001S", "2026-01-01T00:00:00+00:00"]}
