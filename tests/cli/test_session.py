"""How a command runs: warnings, errors and codes."""

from __future__ import annotations

import warnings

import pytest

from relu_forecast.cli.session import session
from relu_forecast.exceptions import ConvergenceWarning


def test_many_warnings_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with session():
        for number in range(5):
            warnings.warn(f"gap {number}", ConvergenceWarning, stacklevel=1)
    assert "and 2 more" in capsys.readouterr().err


def test_unexpected_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), session():
        _ = 1 / 0
