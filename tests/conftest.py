"""Checked annotations for every test: the hook goes in before the package is imported."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings

from tests.annotations import install_checks

if "relu_forecast" in sys.modules:
    raise RuntimeError("relu_forecast was imported before its annotations could be checked")
install_checks("relu_forecast")

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests that need a CUDA device where there is none."""
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
