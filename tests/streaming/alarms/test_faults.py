"""Faults change what they say, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast import InvalidArgumentError
from relu_forecast.streaming.alarms import faults

SIGNAL = np.sin(np.arange(200) / 5)


@pytest.mark.parametrize("faulty", [
    faults.spike(SIGNAL, 50, 2.0), faults.flat_line(SIGNAL, 50, 20),
    faults.noise_burst(SIGNAL, 50, 20, 1.0, random_state=0), faults.lead_off(SIGNAL, 50, -3.0),
    faults.baseline_jump(SIGNAL, 50, 1.0), faults.change_of_rhythm(SIGNAL, 50, 1.5)])
def test_a_fault_changes_the_signal_from_its_start_on_alone(faulty: np.ndarray) -> None:
    np.testing.assert_array_equal(faulty[:50], SIGNAL[:50])
    assert not np.array_equal(faulty[50:], SIGNAL[50 : len(faulty)])


def test_a_lead_that_is_off_ends_at_the_rail() -> None:
    assert faults.lead_off(SIGNAL, 50, -3.0)[-1] == pytest.approx(-3.0)


def test_a_start_beyond_the_signal_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="start must be below 200"):
        faults.spike(SIGNAL, 200, 1.0)
