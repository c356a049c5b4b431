"""Predictions of memory: sizes that no machine has are refused before they are asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Dense
from relu_forecast.problems.memory import check_training, machine_bytes, training_numbers
from relu_forecast.problems.task import TrainingTask

ONE = np.ones((4, 3))


@dataclass(frozen=True)
class Wide(Dense):
    """Rows that are views of ten million million entries."""

    def gate_inputs(self, X):
        return X[:, :1].expand(-1, 10**13)


@pytest.mark.parametrize(("X", "y", "architecture"), [
    (np.broadcast_to(1.0, (10**7, 10**6)), np.ones(10**7), None),
    (ONE, np.broadcast_to(1.0, (4, 10**13)), None),
    (torch.ones(4, 3), torch.ones(1, 1).expand(4, 10**13), None),
    (ONE, ONE, Wide())], ids=["samples", "targets", "tensors", "rows"])
def test_what_no_machine_holds_is_refused_with_an_estimate_and_a_remedy(X, y, architecture):
    with pytest.raises(InvalidArgumentError, match="GiB") as caught:
        TrainingTask.checked(X, y, architecture, "relu", True, 0.0)
    error = caught.value
    assert error.argument == "X and y"
    assert float(error.got.split()[-2].replace(",", "")) > 10**4
    assert "torch" not in error.got
    assert "fewer samples" in error.remedy


def test_the_estimate_counts_rows_targets_and_the_basis_of_the_skip():
    shapes = torch.Size((10, 6)), torch.Size((10, 3)), torch.Size((4, 2))
    assert training_numbers(*shapes, linear_skip=False) == 2 * 80 + 6 * 30
    assert training_numbers(*shapes, linear_skip=True) == 2 * 80 + 6 * 30 + 3 * 16 * 7
    patches = torch.Size((10, 4, 2)), torch.Size((10,)), torch.Size((4, 2))
    assert training_numbers(*patches, linear_skip=True) == 2 * 80 + 6 * 10 + 3 * 18 * 9


def test_the_limit_is_the_memory_of_the_machine_and_single_precision_needs_half():
    present = machine_bytes(torch.device("cpu"))
    assert present == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine_bytes(torch.device("meta")) is None
    samples, rows = torch.Size((present // 16, 1)), torch.Size((1, 1))
    given = samples, torch.Size((1, 1)), rows, False
    check_training(*given, torch.ones(1))
    with pytest.raises(InvalidArgumentError, match="1 rows of 1 a sample"):
        check_training(*given, torch.ones(1).double())
    check_training(*given, torch.ones(1, device="meta").double())
