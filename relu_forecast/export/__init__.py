"""Fitted models as code that runs anywhere: C, ONNX and NumPy."""
