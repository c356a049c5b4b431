"""The command line: what a person types; it computes nothing."""

from relu_forecast.cli.application import app

__all__ = ["app"]
