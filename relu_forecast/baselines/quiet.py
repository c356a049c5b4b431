"""Warnings of statsmodels: kept in, and told in the words of this package where they matter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from relu_forecast.exceptions import ConvergenceWarning


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Keep in what statsmodels warns of; yield the list of it."""
    with warnings.catch_warnings(record=True) as caught:
        # Its import changes the filters, so it comes before ours.
        import statsmodels.tools.sm_exceptions  # noqa: F401

        warnings.simplefilter("always")
        yield caught


def has_converged(caught: list[warnings.WarningMessage]) -> bool:
    """Tell whether statsmodels did not warn of a search that stopped before its end."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning as Unfinished

    return not any(issubclass(warning.category, Unfinished) for warning in caught)


def warn_not_converged(model: str, remedy: str) -> None:
    """Warn that the likelihood of a model was not maximised to the end."""
    warnings.warn(
        f"{model}: the maximum of the likelihood was not reached; its last estimates are used."
        f" {remedy}", ConvergenceWarning, stacklevel=2)
