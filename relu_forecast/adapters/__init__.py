"""The forecaster in the terms of other packages."""
