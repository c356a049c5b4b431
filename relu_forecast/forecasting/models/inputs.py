"""What a regressor sees: windows and covariates as features, samples ahead as targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from relu_forecast.compiled import WindowNetwork
from relu_forecast.estimators.decomposition import Part, decompose
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.analog_columns import AnalogColumns
from relu_forecast.forecasting.models.decomposition import Decomposition, MemberPart
from relu_forecast.networks.layers import Layers
from relu_forecast.storage import VALUE, Added, stored
from relu_forecast.validation import Array
from relu_forecast.windows.contexts import Context
from relu_forecast.windows.transforms import (
    TRANSFORMS,
    Difference,
    LastValue,
    Level,
    Standardization,
    Standardize,
    WindowTransform,
)

_AT_ONCE = 2**22
"""Samples of windows that are pooled at a time: windows share samples, their copies do not."""


@runtime_checkable
class Regressor(Protocol):
    """What an autoregression asks of a scikit-learn regressor."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit on features of shape (n, d) and targets of shape (n,) or (n, C)."""

    def predict(self, X: Any) -> Any:
        """Return the predictions, shape (n,) or (n, C)."""


@stored(analogs=Added(VALUE, None))
@dataclass(frozen=True)
class Inputs:
    """How windows and covariates become the features of a regressor, what analogs say the last."""

    context: Context
    """Stretches of the window, and of each column that is known up to a cutoff."""
    transform: WindowTransform
    """Fitted on the training part."""
    past: Standardization
    future: Standardization
    """Of the covariates, fitted on the training part."""
    level: Level | None = None
    """Of the windows, as a feature in place of their last value, which is always 0 without it."""
    analogs: AnalogColumns | None = None
    """What followed the past windows most like a window, if that is seen too."""

    @classmethod
    def of(cls, history: History, lags: Any, transform: str | None,
           with_level: bool = False, analogs: AnalogColumns | None = None) -> Inputs:
        """Fit transform and scales to the observed samples of a training part.

        ``lags`` are as for `Context.of`. ``with_level`` keeps the level of a window, which
        ``"last_value"`` takes off, in sight.
        """
        context, values, past = Context.of(lags), history.values, history.past
        if history.observed is not None and history.observed.any():
            values, past = history.known, past[history.observed]
        level = Level.fit(values) if with_level and transform == "last_value" else None
        return cls(context, TRANSFORMS[transform].fit(values, context.length),
                   Standardization.of(past), Standardization.of(history.future), level, analogs)

    @property
    def length(self) -> int:
        """Samples of a window, L."""
        return max(self._own_length, 0 if self.analogs is None else self.analogs.lags)

    @property
    def _own_length(self) -> int:
        """Samples of a window that become features themselves."""
        return self.context.length + self.transform.extra

    def features(self, windows: Array, past: Array, future: Array) -> Array:
        """Return features, shape (n, d + p d + q + s), for d stretches of the window.

        They come from windows, shape (n, L); from columns ``past`` at the samples of the windows,
        shape (n, L, p); from columns ``future`` at the time that is forecast, shape (n, q); and
        from analogs, for s steps ahead.
        """
        told = None if self.analogs is None else self.analogs.of_windows(windows)
        return self._side_by_side(windows, past, future, told)

    def _side_by_side(self, windows: Array, past: Array, future: Array,
                      told: Array | None) -> Array:
        """Return features; ``told`` are the columns of the analogs, if any."""
        own = self._own_features(windows[:, -self._own_length :])
        if told is None and not past.shape[2] + future.shape[1]:
            return own
        seen = self.past.apply(past[:, -self.context.length :]).transpose(0, 2, 1)
        scaled = [] if told is None else [told / self.transform.scale]
        return np.concatenate([own, self.context.pool(seen).reshape(len(own), -1),
                               self.future.apply(future), *scaled], axis=1)

    def _own_features(self, windows: Array) -> Array:
        """Return what comes of the series itself, (n, d)."""
        pooled = self._pooled(windows)
        if self.level is None:
            return pooled
        kept = pooled[:, :-1] if self._sees_last else pooled
        return np.concatenate([kept, self.level.of(windows)[:, np.newaxis]], axis=1)

    @property
    def _sees_last(self) -> bool:
        """Whether the newest stretch is the last known sample."""
        return (self.context.lags[-1], self.context.widths[-1]) == (1, 1)

    def _pooled(self, windows: Array) -> Array:
        """Return the means of the stretches, for a few windows at a time."""
        if self.context.is_plain:
            return self.transform.features(windows)
        rows = max(1, _AT_ONCE // self.length)
        return np.concatenate([
            self.context.pool(self.transform.features(windows[start : start + rows]))
            for start in range(0, max(len(windows), 1), rows)])

    @property
    def width(self) -> int:
        """Features."""
        n_past, n_future = len(self.past.means), len(self.future.means)
        more = self.level is not None and not self._sees_last
        return self.context.size * (1 + n_past) + n_future + more + self.n_told

    @property
    def n_told(self) -> int:
        """Features that come from analogs."""
        return 0 if self.analogs is None else self.analogs.count

    def training(self, history: History, first: int,
                 n_steps: int | None = None) -> tuple[Array, Array]:
        """Return features and targets of a training part.

        Targets are (n,), the samples ``first`` steps ahead; or (n, n_steps), those from there on,
        where ``n_steps`` is given. Columns known ahead are taken at the first of them. Windows that
        touch a sample that does not count, or have it as a target, are left out.
        """
        steps = np.arange(first, first + (n_steps or 1))
        ends = np.arange(self.length, len(history) - steps[-1] + 1)
        view = np.lib.stride_tricks.sliding_window_view(history.values, self.length)
        windows, ahead = view[: len(ends)], ends[:, np.newaxis] + steps - 1
        past = np.lib.stride_tricks.sliding_window_view(history.past, self.length, axis=0)
        targets = self.transform.targets(windows, history.values[ahead])
        told = None if self.analogs is None else self.analogs.of_training(windows)
        features = self._side_by_side(windows, past[: len(ends)].transpose(0, 2, 1),
                                      history.future[ahead[:, 0]], told)
        whole = history.whole_windows(self.length, steps)
        if whole is not None:
            features, targets = features[whole], targets[whole]
        return features, targets[:, 0] if n_steps is None else targets

    def predict(self, regressor: Regressor, windows: Array, past: Array,
                future: Array) -> Array:
        """Return the sample or samples, (C,) or (C, s), that are expected after each window."""
        features = self.features(windows, past, future)
        return self.transform.invert(windows, np.asarray(regressor.predict(features)))

    def compiled(self, layers: Layers) -> WindowNetwork:
        """Return a regressor, given as layers of features, as a map of raw samples.

        A difference of samples goes through all of them: it is not seen as means of stretches.
        """
        if len(self.past.means) or len(self.future.means):
            raise InvalidArgumentError(
                "model", "one of the series alone, to run live or elsewhere",
                "a model of further columns", "Fit it without past_exog and future_exog.")
        relative = isinstance(self.transform, LastValue | Difference)
        context = Context.of(self._own_length) if self.transform.extra else self.context
        told = np.eye(self.n_told) / self.transform.scale
        own = self._feature_map(context, relative)
        first = np.zeros((len(own) + self.n_told, layers.n_inputs))
        first[: len(own), : own.shape[1]], first[len(own) :, own.shape[1] :] = own, told
        search = None if self.analogs is None else self.analogs.library.search
        return WindowNetwork(context, layers.after(first).scaled(self.transform.scale),
                             self._origin, relative, search)

    @property
    def _origin(self) -> float:
        """What the level of windows is measured from."""
        if self.level is not None:
            return self.level.mean
        return self.transform.mean if isinstance(self.transform, Standardize) else 0.0

    def _feature_map(self, context: Context, relative: bool) -> Array:
        """Return what features are of stretches above the last sample, and of its level.

        Shape (d + 1, features): the last row is that of the level.
        """
        scale = self.transform.scale
        if self.transform.extra:
            samples = np.vstack([np.eye(context.size), np.zeros(context.size)])
            return self.context.pool(np.diff(samples, axis=1)) / scale
        features = np.vstack([np.eye(context.size), np.full(context.size, not relative)]) / scale
        if self.level is None:
            return features
        kept = features[:, :-1] if self._sees_last else features
        level = np.zeros(len(features))
        level[-1] = self.level.slope
        return np.column_stack([kept, level])

    def decompose(self, regressor: Regressor, window: Array, past: Array,
                  future: Array) -> Decomposition:
        """Take apart the sample or samples that are expected after one window, shape (L,).

        Columns and analogs are not seen by the linear function of the window: they are as they are.
        """
        own, rows = window[np.newaxis], self.rows(_size_of(window))
        said = decompose(regressor, self.features(own, past, future)[0])
        base, slopes = self._start(window)
        scale = self.transform.scale
        coefficients = slopes + scale * (said.weights[: rows.shape[1]].T @ rows.T)
        parts = [MemberPart("", Part("last value" if slopes.any() else "level", "base")),
                 *(MemberPart("", part) for part in said.parts)]
        n_steps = len(coefficients)
        return Decomposition(
            window, coefficients, tuple(parts),
            np.column_stack([np.full(n_steps, base), scale * said.contributions]),
            np.tile(np.r_[True, said.fires], (n_steps, 1)))

    def rows(self, size: float) -> Array:
        """Return how each feature of the series itself moves with each sample, (L, d).

        ``size`` is that of the samples: what is as large loses least in differences.
        """
        samples = np.concatenate([np.zeros((1, self.length)), size * np.eye(self.length)])
        features = self._own_features(samples[:, -self._own_length :])
        return np.asarray((features[1:] - features[0]) / size)

    def _start(self, window: Array) -> tuple[float, Array]:
        """Return what targets are added to, and how that moves with each sample, (L,)."""
        size = _size_of(window)
        samples = np.concatenate([np.zeros((1, self.length)), size * np.eye(self.length)])
        bases = self.transform.invert(samples, np.zeros(len(samples)))
        base = self.transform.invert(window[np.newaxis], np.zeros(1))
        return float(base[0]), np.asarray((bases[1:] - bases[0]) / size)


def _size_of(window: Array) -> float:
    """Return a power of two that is as large as the samples."""
    return float(2.0 ** np.frexp(np.abs(window).max() or 1.0)[1])
