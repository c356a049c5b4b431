"""The part of `Forecaster` that goes live: streams of fitted models."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from relu_forecast.compiled import WindowModel
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel
from relu_forecast.forecasting.data.clock import UniformClock
from relu_forecast.forecasting.data.panel import Panel, TimeSeries
from relu_forecast.forecasting.data.reading import extend_panel
from relu_forecast.streaming.alarms import AlarmMonitor, AlarmSettings
from relu_forecast.streaming.half_widths import USUAL_GAMMA
from relu_forecast.streaming.stream import Stream
from relu_forecast.streaming.ticks import Ticks
from relu_forecast.validation import Array, check_positive, check_positive_int

if TYPE_CHECKING:
    from relu_forecast.forecasting.models.refitting import LiveForecaster

_HOUR = 3600e9
"""Nanoseconds."""


class GoesLive(ForecastingModel):
    """The part of `Forecaster` that makes streams of what was fitted."""

    panel_: Panel
    horizon_: int | None
    models_: dict[Hashable, Any]
    calibrations_: dict[Hashable, Array]

    def compiled(self, unique_id: Any = None, *, n_steps: int | None = None) -> WindowModel:
        """Return what was fitted to a series as plain arrays, which streams and exports run.

        Parameters
        ----------
        unique_id : optional
            Which series, where there are several.
        n_steps : int, optional
            Steps ahead; None takes the ``horizon`` of `fit`, or 1.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            The model has no such form: it uses further columns, or is not made of networks, linear
            models and analogs; ``n_steps`` is above a horizon that it is limited to; or it is not
            clear which series is meant.
        """
        check_is_fitted(self)
        return self.compile(self.models_[self._known_series(unique_id).unique_id],
                            self._live_steps(n_steps))

    def stream(self, unique_id: Any = None, *, n_steps: int | None = None, level: Any = 90,
               gamma: float = USUAL_GAMMA, channels: int | None = None,
               alarms: float | AlarmSettings | None = None,
               state: Mapping[str, Any] | None = None) -> Stream:
        """Return the model on a signal that is still coming in, from the end of what was fitted.

        `Stream.push` takes a sample and says what comes next, in constant time and memory. The
        forecasts are those of `predict` with the same past; weights of a committee follow the
        errors, and so do intervals. Nothing is trained.

        Parameters
        ----------
        unique_id : optional
            Which series to go on from, where there are several.
        n_steps : int, optional
            Steps ahead; None takes the ``horizon`` of `fit`, or 1.
        level : float or list of float, default 90
            Percentages of samples that intervals should cover; None for no intervals. They start
            from the errors that ``intervals`` of `fit`, or a committee, know of, else from the
            first ones that come.
        gamma : float, default 0.02
            How fast intervals follow the errors: see `relu_forecast.streaming.HalfWidths`.
        channels : int, optional
            Signals side by side that share the model: samples are arrays of one of each. They start
            with nothing: push some past first, as an array (T, channels).
        alarms : float or AlarmSettings, optional
            How many false alarms may come an hour, where the times of the series are dates or
            durations; or how alarms are raised. None raises none. See docs/alarms.md.
        state : dict, optional
            Of a stream of the same model, to go on from: see `Stream.state`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            As `compiled`; or the state is that of another stream.

        Examples
        --------
        >>> from relu_forecast.baselines import RidgeAR
        >>> wave = np.sin(np.arange(200) / 5)
        >>> stream = RidgeAR(10).fit(wave[:150], horizon=3).stream()
        >>> reading = stream.push(float(wave[150]))
        >>> bool(np.abs(reading.forecast - wave[151:154]).max() < 1e-3)
        True
        """
        series = self._known_series(unique_id)
        model = self.compiled(unique_id, n_steps=n_steps)
        errors, ticks = self._live_errors(series.unique_id, model.n_steps), _ticks_of(series)
        stream = Stream(
            model, _window(series, model.length) if channels is None else None, errors=errors,
            levels=() if level is None else level, gamma=gamma, channels=channels, ticks=ticks,
            monitor=None if alarms is None else _monitor(
                _settings(alarms, ticks), errors, model.n_steps, channels))
        if channels is None:
            new = slice(series.n_fitted, None)
            stream.follow(series.values[new],
                          None if series.weights is None else series.weights[new])
        if state is not None:
            stream.restore(state)
        return stream

    def live(self, unique_id: Any = None, *, every: int, buffer: int = 5000, wait: bool = False,
             **options: Any) -> LiveForecaster:
        """Return a stream whose model is fitted anew in the background.

        Parameters
        ----------
        unique_id : optional
            As for `stream`.
        every : int
            Samples from fit to fit.
        buffer : int, default 5000
            Samples that are kept, and fitted to.
        wait : bool, default False
            Whether a sample waits for the fit that it began, so that results are the same every
            time.
        **options
            As for `stream`, but for channels and a state.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            As `stream`; or the buffer is too short for a fit, the forecaster is of all series, or
            needs further columns.
        """
        from relu_forecast.forecasting.models.refitting import LiveForecaster

        for name in ("channels", "state"):
            if options.get(name) is not None:
                raise InvalidArgumentError(name, "left out where the model is fitted anew",
                                           repr(options[name])[:80], "Use stream.")
        if self.pools:
            raise InvalidArgumentError("scope", "'local', a model of each series", "'global'",
                                       "Use stream, which keeps the model that was fitted.")
        series = self._known_series(unique_id)
        stream = self.stream(series.unique_id, **options)
        return LiveForecaster(
            self, stream, series.unique_id, every=every, buffer=buffer, wait=wait)

    def detect(self, data: Any, unique_id: Any = None, *,
               alarms: float | AlarmSettings, level: Any = 90) -> pd.DataFrame:
        """Say how unusual each of the samples is that followed, as a stream would.

        Parameters
        ----------
        data : array_like (n,), pandas.Series or pandas.DataFrame
            As for `update`: the samples from the time on at which the series ended.
        unique_id, alarms, level
            As for `stream`.

        Returns
        -------
        pandas.DataFrame, a row per sample
            Time, target, and of each sample ``score``, ``p_value``, ``alarm``, ``onset`` and
            ``kind``: see `relu_forecast.streaming.Reading`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            As `update` and `stream`.
        """
        before = self._known_series(unique_id)
        panel = extend_panel(self.panel_, data)
        [after] = [one for one in panel.series if one.unique_id == before.unique_id]
        new = slice(len(before), None)
        stream = self.stream(before.unique_id, level=level, alarms=alarms)
        columns = self.panel_.columns
        readings = [stream.push(one) for one in after.values[new].tolist()]
        return pd.DataFrame({
            columns.time: after.times[new], columns.target: after.values[new],
            **{name: [getattr(one, name) for one in readings]
               for name in ("score", "p_value", "alarm", "onset", "kind")}})

    def _known_series(self, unique_id: Any) -> TimeSeries:
        """Return a series that was fitted; the only one where none is named."""
        check_is_fitted(self)
        known = [series.unique_id for series in self.panel_.series]
        if unique_id is None and len(known) > 1:
            raise InvalidArgumentError(
                "unique_id", "the name of a series, as there are several", "None",
                f"Pass for example unique_id={known[0]!r}.")
        if unique_id is not None and unique_id not in known:
            raise InvalidArgumentError("unique_id", "a series that was fitted", repr(unique_id),
                                       f"Pass for example {known[0]!r}.")
        place = 0 if unique_id is None else known.index(unique_id)
        return self.panel_.series[place]

    def _live_steps(self, n_steps: int | None) -> int:
        """Return the steps ahead of streams and exports."""
        return self.horizon_ or 1 if n_steps is None else check_positive_int(n_steps, "n_steps")

    def _live_errors(self, unique_id: Hashable, n_steps: int) -> Array | None:
        """Return absolute errors on samples that were held out, (m, H), if any are known."""
        known = self.calibrations_.get(unique_id)
        if known is None:
            known = self.held_out_errors(self.models_[unique_id])
        return None if known is None or known.shape[1] < n_steps else known[:, :n_steps]


def _settings(alarms: float | AlarmSettings, ticks: Ticks | None) -> AlarmSettings:
    """Return how alarms are raised; so many an hour need times in a known unit."""
    if isinstance(alarms, AlarmSettings):
        return alarms
    rate = check_positive(alarms, "alarms")
    if ticks is None or not ticks.dated:
        raise InvalidArgumentError(
            "alarms", "AlarmSettings where the times of the series are no dates", repr(alarms),
            "Pass AlarmSettings(samples_per_hour=360 * 3600, per_hour=1), for example.")
    return AlarmSettings(samples_per_hour=_HOUR / ticks.step, per_hour=rate)


def _monitor(settings: AlarmSettings, errors: Array | None, n_steps: int,
             channels: int | None) -> AlarmMonitor:
    """Return what raises alarms; it starts from the errors of the series, but not for channels."""
    if channels is not None:
        return AlarmMonitor.start(np.empty((channels, 0, n_steps)), settings)
    return AlarmMonitor.start(np.empty((0, n_steps)) if errors is None else errors, settings)


def _window(series: TimeSeries, length: int) -> Array:
    """Return the last samples, as many as are looked back on, from an observed one on."""
    values: Array = series.values[: series.n_fitted]
    observed = np.flatnonzero(~np.isnan(values[: len(values) - length + 1]))
    return values[observed[-1] if len(observed) else 0 :]


def _ticks_of(series: TimeSeries) -> Ticks | None:
    """Return the times of a series as a stream checks them; None where they are uneven."""
    clock, times = series.clock, series.times[: series.n_fitted]
    if not isinstance(clock, UniformClock):
        return None
    if isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex):
        unit = int(pd.Timedelta(1, times.unit).value)
        return Ticks(float(times[-1].value), float(clock.step) * unit, dated=True)
    if pd.api.types.is_numeric_dtype(times.dtype):
        return Ticks(float(times[-1]), float(clock.step), dated=False)
    return None
