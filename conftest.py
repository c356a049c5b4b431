"""Which modules pytest collects: an adapter only where the package that it is for is installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("sktime") else ["relu_forecast/adapters/sktime.py"]
