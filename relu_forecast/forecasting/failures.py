"""How fits that fail, or do not converge, are told with the series and cutoff they belong to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from relu_forecast.exceptions import ConvergenceWarning, ForecastError, InvalidArgumentError


@contextmanager
def collect_unconverged() -> Iterator[list[str]]:
    """Collect the messages of each `ConvergenceWarning`, which would be lost in a worker process.

    The list is complete when the context ends; other warnings are passed on then.
    """
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield messages
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            messages.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno)


def warn_unconverged(who: str, count: int, messages: Sequence[str]) -> None:
    """Warn once of all fits of ``who``, ``count`` in number, that did not converge.

    There is a message for each of these, which names its series and cutoff.
    """
    if messages:
        warnings.warn(f"{len(messages)} of {count} fits of {who} did not converge; {messages[0]}",
                      ConvergenceWarning, stacklevel=4)


@contextmanager
def locate_errors(where: str) -> Iterator[None]:
    """Say in the message of any error where it happened, for example in ``"series a, cutoff 41"``.

    An `InvalidArgumentError` stays one; any other exception becomes a `ForecastError`.
    """
    try:
        yield
    except InvalidArgumentError as error:
        raise type(error)(
            f"{error.argument} ({where})", error.required, error.got, error.remedy) from error
    except Exception as error:
        raise ForecastError(f"{where}: {type(error).__name__}: {error}") from error
