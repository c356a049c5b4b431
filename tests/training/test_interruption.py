from __future__ import annotations

import pytest

from relu_forecast.training.interruption import ends_one_training, interrupts_end_all


def test_an_interrupt_ends_one_training_but_within_work_of_many() -> None:
    assert ends_one_training()
    with interrupts_end_all():
        assert not ends_one_training()
        with interrupts_end_all():
            assert not ends_one_training()
        assert not ends_one_training()
    assert ends_one_training()


def test_an_error_inside_leaves_no_trace() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_end_all():
        raise KeyboardInterrupt
    assert ends_one_training()
