"""Errors and warnings of the package: each says what is wrong and what to do about it."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning as _SklearnConvergenceWarning


class InvalidArgumentError(ValueError):
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
        super().__init__(f"{argument} must be {required}; got {got}. {remedy}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        """Pickle by the four parts, so that the error survives a worker process."""
        return type(self), (self.argument, self.required, self.got, self.remedy)


class InvalidTypeError(InvalidArgumentError, TypeError):
    """An argument has a type that the function cannot use."""


class ConvergenceWarning(_SklearnConvergenceWarning):
    """A solver stopped before its tolerance; the message carries the gap it reached."""
