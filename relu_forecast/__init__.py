"""Forecast signals with ReLU networks trained to a certified global optimum."""
