"""How a command runs: warnings, errors and codes."""

from __future__ import annotations

import io
import sys
import warnings

import pytest
from joblib import delayed

from relu_forecast.cli.session import progress, session
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.forecasting.parallel import in_parallel


def test_many_warnings_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with session():
        for number in range(5):
            warnings.warn(f"gap {number}", ConvergenceWarning, stacklevel=1)
    assert "and 2 more" in capsys.readouterr().err


def test_unexpected_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), session():
        _ = 1 / 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_stages_and_their_bars_are_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    shown = stream()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with session(), progress(2) as announce:
        announce("Reading")
        assert in_parallel((delayed(abs)(number) for number in (-1, -2)), 2, "Bars") == [1, 2]
        announce("Training")
    text = shown.getvalue()
    for part in ("[1/2] Reading", "Bars", "[2/2] Training", "0:00:0"):
        assert (part in text) is (stream is Terminal), part
    if stream is io.StringIO:
        assert text == ""
