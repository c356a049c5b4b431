"""Errors and warnings of the package: each says what is wrong and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.exceptions import ConvergenceWarning as _SklearnConvergenceWarning

    class ConvergenceWarning(_SklearnConvergenceWarning):
        """A solver stopped before its tolerance; the message carries the gap it reached."""


class ComposedError(Exception):
    """An error whose message is composed of parts, by which it is pickled.

    So it survives a worker process: unpickling calls the class with the parts, not the message.
    """

    def __init__(self, message: str, *parts: str) -> None:
        super().__init__(message)
        self._parts = parts

    def __reduce__(self) -> tuple[type, tuple[str, ...], dict[str, Any]]:
        """Pickle by the parts, with what was set on the error later."""
        return type(self), self._parts, vars(self)


class InvalidArgumentError(ComposedError, ValueError):
    """An argument has a value that the function cannot use.

    Parameters
    ----------
    argument : str
        Name of the argument, as the caller wrote it.
    required : str
        What the argument must be, for example ``"a positive integer"``.
    got : str
        What came instead.
    remedy : str
        What the caller can do about it, a full sentence.
    """

    def __init__(self, argument: str, required: str, got: str, remedy: str) -> None:
        self.argument = argument
        self.required = required
        self.got = got
        self.remedy = remedy
        super().__init__(
            f"{argument} must be {required}; got {got}. {remedy}", argument, required, got, remedy)


class InvalidTypeError(InvalidArgumentError, TypeError):
    """An argument has a type that the function cannot use."""


class ForecastError(RuntimeError):
    """A model failed on one series or cutoff, which the message names; its cause is chained."""


class ContractError(ComposedError):
    """A forecaster does not do what is asked of one; see `check_forecaster`.

    Parameters
    ----------
    hook : str
        The method or attribute that breaks the contract.
    required : str
        What it must do, a clause.
    got : str
        What it did instead.
    """

    def __init__(self, hook: str, required: str, got: str) -> None:
        super().__init__(f"{hook}: {required}; got {got}.", hook, required, got)


class MissingPackageError(ComposedError, ImportError):
    """A package is missing that one of the extras of this one installs.

    Parameters
    ----------
    what : str
        What needs it, for example ``"load_wfdb"``.
    package, extra : str
        Names of the package and of the extra.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package {package}: pip install 'relu_forecast[{extra}]'.",
            what, package, extra)


def __getattr__(name: str) -> Any:
    """Make `ConvergenceWarning` on first use: its base class takes half a second to import."""
    if name != "ConvergenceWarning":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sklearn.exceptions import ConvergenceWarning as Base

    doc = "A solver stopped before its tolerance; the message carries the gap it reached."
    # Kept, so that there is one class only; named as if it stood here, so that it pickles.
    warning = globals()[name] = type(name, (Base,), {"__doc__": doc, "__module__": __name__})
    return warning
