"""Activation patterns: which samples neurons can switch on for, and the cells that make them."""

from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    low_rank_patterns,
    pattern_bound,
    sample_patterns,
)

__all__ = [
    "ActivationPatterns",
    "enumerate_patterns",
    "low_rank_patterns",
    "pattern_bound",
    "sample_patterns",
]
