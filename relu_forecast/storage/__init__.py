"""Fitted forecasters as data, in one file: safetensors with a JSON document, never pickle."""

from relu_forecast.storage.files import load_forecaster, save_forecaster

__all__ = ["load_forecaster", "save_forecaster"]
