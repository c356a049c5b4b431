"""Forecasters: windows of lags and a regressor, or whatever else fits a series."""
