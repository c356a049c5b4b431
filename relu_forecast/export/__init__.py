"""Fitted models as code that runs anywhere: C, ONNX and NumPy."""

from relu_forecast.export.c import c_header
from relu_forecast.export.numpy_source import numpy_module
from relu_forecast.export.onnx_graph import onnx_model
from relu_forecast.export.sizes import Sizes

__all__ = ["Sizes", "c_header", "numpy_module", "onnx_model"]
