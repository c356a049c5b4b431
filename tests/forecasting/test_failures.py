"""Failures and fits that do not converge say where they happened."""

import warnings

import pytest

from relu_forecast.exceptions import (
    ConvergenceWarning,
    ForecastError,
    InvalidArgumentError,
    InvalidTypeError,
)
from relu_forecast.forecasting.failures import (
    collect_unconverged,
    locate_errors,
    warn_unconverged,
)


def test_errors_say_where_they_happened():
    with (pytest.raises(ForecastError, match="series a, cutoff 3: KeyError: 'x'") as caught,
          locate_errors("series a, cutoff 3")):
        raise KeyError("x")
    assert isinstance(caught.value.__cause__, KeyError)
    with (pytest.raises(InvalidTypeError, match=r"lags \(series a\) must be a number; got None"),
          locate_errors("series a")):
        raise InvalidTypeError("lags", "a number", "None", "Pass one.")
    with (pytest.raises(InvalidArgumentError, match=r"b \(x\) must be c; got d. e"),
          locate_errors("x")):
        raise InvalidArgumentError("b", "c", "d", "e")


def test_what_did_not_converge_is_collected_and_the_rest_passed_on():
    def messages():
        with collect_unconverged() as said:
            warnings.warn("gap 0.3", ConvergenceWarning, stacklevel=1)
            warnings.warn("something else", UserWarning, stacklevel=1)
            warnings.warn("gap 0.4", ConvergenceWarning, stacklevel=1)
        return said

    with pytest.warns(UserWarning, match="something else") as record:
        assert messages() == ["gap 0.3", "gap 0.4"]
    assert len(record) == 1


def test_one_warning_tells_of_all_fits():
    warn_unconverged("ReLU", 5, [])
    with pytest.warns(ConvergenceWarning, match="2 of 5 fits of ReLU did not converge; a: gap"):
        warn_unconverged("ReLU", 5, ["a: gap 1", "b: gap 2"])
