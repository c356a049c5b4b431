from __future__ import annotations

import pickle
import warnings

import pytest
import sklearn.exceptions

from relu_forecast import exceptions
from relu_forecast.exceptions import (
    ContractError,
    ConvergenceWarning,
    InvalidArgumentError,
    InvalidTypeError,
    MissingPackageError,
)
from relu_forecast.solvers.interior_point.held import WorkingSetTooLargeError
from relu_forecast.storage.values import UnknownClassError

PARTS = ("lags", "below len(series)", "lags=48, len(series)=36", "Shorten lags.")


@pytest.mark.parametrize("kind", [InvalidArgumentError, InvalidTypeError])
def test_message_names_argument_requirement_value_and_remedy(kind):
    assert str(kind(*PARTS)) == (
        "lags must be below len(series); got lags=48, len(series)=36. Shorten lags.")


@pytest.mark.parametrize("kind", [InvalidArgumentError, InvalidTypeError])
def test_errors_survive_pickling_whole(kind):
    error = pickle.loads(pickle.dumps(kind(*PARTS)))
    assert type(error) is kind
    assert (error.argument, error.required, error.got, error.remedy) == PARTS
    assert str(error) == str(kind(*PARTS))


@pytest.mark.parametrize(("kind", "parts"), [
    (InvalidArgumentError, PARTS),
    (InvalidTypeError, PARTS),
    (WorkingSetTooLargeError, PARTS),
    (ContractError, ("predict", "forecasts must be finite", "nan")),
    (MissingPackageError, ("load_wfdb", "wfdb", "wfdb")),
    (UnknownClassError, ("my.models.Mine",)),
])
def test_errors_of_parts_are_the_same_after_pickling(kind, parts):
    error = kind(*parts)
    error.seen = "in a worker"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_errors_are_caught_as_the_builtin_ones():
    assert issubclass(InvalidArgumentError, ValueError)
    assert not issubclass(InvalidArgumentError, TypeError)
    assert issubclass(InvalidTypeError, InvalidArgumentError)
    assert issubclass(InvalidTypeError, TypeError)


def test_convergence_warning_obeys_filters_for_scikit_learns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        warnings.warn("gap 1e-3", ConvergenceWarning, stacklevel=1)
    assert caught == []


def test_convergence_warning_is_one_class_that_pickles():
    assert exceptions.ConvergenceWarning is ConvergenceWarning
    assert ConvergenceWarning.__doc__
    again = pickle.loads(pickle.dumps(ConvergenceWarning("gap 1e-3")))
    assert type(again) is ConvergenceWarning
    assert str(again) == "gap 1e-3"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        exceptions.Nonsense  # noqa: B018


def test_a_missing_package_is_named_with_its_extra():
    error = MissingPackageError("load_wfdb", "wfdb", "wfdb")
    assert isinstance(error, ImportError)
    assert str(error) == "load_wfdb needs the package wfdb: pip install 'relu_forecast[wfdb]'."
