"""What the demo trains and tests on."""

from __future__ import annotations

from relu_forecast.cli.demo.setup import Setup


def test_setups_use_as_many_samples_as_they_say(small: Setup) -> None:
    assert len(small.signal()) == 120 + 20 + 3 - 1
