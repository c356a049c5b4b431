"""Windows of a series: rows of lags with their targets, patches, transforms, nearest windows."""

from relu_forecast.windows.contexts import Context
from relu_forecast.windows.sliding import hankel, patches

__all__ = ["Context", "hankel", "patches"]
