"""A stream whose model is fitted anew in the background, and swapped in between two samples."""

from __future__ import annotations

import multiprocessing
import warnings
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from sklearn.base import clone

from relu_forecast.compiled import WindowModel
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.failures import collect_unconverged
from relu_forecast.streaming.reading import Reading
from relu_forecast.streaming.stream import Stream
from relu_forecast.training.threads import one_thread
from relu_forecast.validation import Array, check_positive_int


@dataclass(frozen=True)
class Fitted:
    """What a stream forecasts with, and how it came about.

    Attributes
    ----------
    count : int
        Samples of the stream that had come in when the fit began; 0 for the first model.
    n_samples : int
        Samples that it was fitted to.
    certificate : Certificate or None
        Of its network, of a committee that of most weight; None where there is no network.
    seconds : float
        Of the fit; 0 for the first model.
    unconverged : str
        What was said of trainings that did not converge; empty if all did.
    """

    count: int
    n_samples: int
    certificate: Any
    seconds: float
    unconverged: str


@dataclass(frozen=True)
class _Refit:
    """What a worker returns."""

    state: Any
    compiled: WindowModel
    seconds: float
    unconverged: str


class LiveForecaster:
    """A stream that learns: `Forecaster.live` makes one.

    The last samples are kept. Every so many, a worker process fits the forecaster to them, starting
    from the fit in force; when it is done, the next sample is forecast with it. `push` never waits.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted.
    stream : Stream
        Of one of its series.
    unique_id : hashable
        That series.
    every : int
        Samples from the start of one fit to that of the next, at least: where fits take longer,
        they follow one another.
    buffer : int
        Samples that are kept, and fitted to.
    wait : bool, default False
        Whether `push` waits for each fit, so that results do not depend on how long it takes.

    Attributes
    ----------
    stream : Stream
        What samples go into.
    fitted : Fitted
        Of the model in force, with its certificate.
    failure : str
        Why the last fit failed; empty if it did not. The model before stays in force.
    """

    def __init__(self, forecaster: Any, stream: Stream, unique_id: Hashable, *, every: int,
                 buffer: int, wait: bool = False) -> None:
        self.stream, self.failure = stream, ""
        self._every = check_positive_int(every, "every")
        self._model, self._wait = clone(forecaster), wait
        self._state = forecaster.models_[unique_id]
        series = next(
            one for one in forecaster.panel_.series if one.unique_id == unique_id)
        needed = forecaster.min_length(stream.n_steps)
        if check_positive_int(buffer, "buffer") < needed:
            raise InvalidArgumentError(
                "buffer", f"at least {needed} samples, which a fit needs", str(buffer),
                "Keep more samples.")
        self._samples: deque[float] = deque(series.values.tolist(), maxlen=buffer)
        self._start = len(series)
        self._next, self._began = self._every, 0
        self._running: Future[_Refit] | None = None
        self.fitted = Fitted(0, series.n_fitted, _certificate_of(self._state), 0.0, "")
        self._workers = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self._workers.submit(_ready)  # it takes seconds until a worker has imported all it needs

    def push(self, sample: Any, at: Any = None) -> Reading:
        """Take in the next sample, as `Stream.push` does; fit, or swap a fit in, where it is time.

        Parameters
        ----------
        sample : float
            One sample; NaN or None where it is missing.
        at : time, optional
            When.
        """
        if np.ndim(sample):
            raise InvalidArgumentError("sample", "one number", repr(sample)[:80],
                                       "Push one sample after the other.")
        before = self.stream.count
        self._swap_in()
        reading = self.stream.push(sample, at)
        missing = self.stream.count - before - 1
        self._samples.extend([np.nan] * min(missing, self._samples.maxlen or 0))
        self._samples.append(np.nan if sample is None else float(sample))
        if self.stream.count >= self._next and self._running is None:
            self._begin()
        return reading

    def close(self) -> None:
        """End the worker; the stream can go on by itself."""
        processes = list((self._workers._processes or {}).values())
        self._workers.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def __enter__(self) -> LiveForecaster:
        """Return itself, whose worker ends with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """End the worker."""
        self.close()

    def _begin(self) -> None:
        """Let the worker fit the model to the samples that are kept."""
        self._next, self._began = self.stream.count + self._every, self.stream.count
        position = self._start + self.stream.count - len(self._samples)
        call = (self._model, np.array(self._samples), position, self.stream.n_steps,
                self._model.warm_start_of(self._state))
        try:
            self._running = self._workers.submit(_fit, *call)
        except Exception as error:  # the pool is broken or closed: the stream goes on
            self._fail(error)
            return
        if self._wait:
            self._running.exception()

    def _swap_in(self) -> None:
        """Go on with a fit that is done, if there is one."""
        running = self._running
        if running is None or not running.done():
            return
        self._running = None
        try:
            found = running.result()
            self.stream.swap(found.compiled)
        except Exception as error:
            self._fail(error)
            return
        self._state, self.failure = found.state, ""
        self.fitted = Fitted(self._began, len(self._samples), _certificate_of(found.state),
                             found.seconds, found.unconverged)

    def _fail(self, error: Exception) -> None:
        """Keep the model in force; warn of the first of failures in a row."""
        if not self.failure:
            warnings.warn(
                f"A refit after {self._began} samples failed, and the model before stays: {error}",
                ConvergenceWarning, stacklevel=4)
        self.failure = f"{type(error).__name__}: {error}"


def _ready() -> None:
    """Import what fits need, which takes a while."""


def _fit(model: Any, samples: Array, position: int, n_steps: int,
         warm_start: WarmStarts) -> _Refit:
    """Fit a model to samples, NaN where one is missing, of which the first has a position."""
    began = perf_counter()
    known = np.flatnonzero(~np.isnan(samples))
    samples, position = samples[known[0] :], position + int(known[0])
    empty = np.empty((len(samples), 0))
    history = SeriesArrays(samples, empty, empty, skips=True).history(0, len(samples))
    with one_thread(), collect_unconverged() as messages:
        state = model.train(replace(history, start=position), n_steps, warm_start)
    return _Refit(state, model.compile(state, n_steps), perf_counter() - began, "\n".join(messages))


def _certificate_of(state: Any) -> Any:
    """Return the certificate of the network of a state, if it has one."""
    regressors = getattr(state, "regressors", ())
    return next((one.certificate_ for one in regressors if hasattr(one, "certificate_")), None)
