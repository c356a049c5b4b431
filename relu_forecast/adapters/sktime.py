"""The package's forecaster as one of sktime's, for its pipelines, tuning and evaluation.

Needs the package sktime: ``pip install 'relu_forecast[sktime]'``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LinearRegression

from relu_forecast import forecasting
from relu_forecast.exceptions import InvalidArgumentError, MissingPackageError
from relu_forecast.forecasting.contract import forecast_checked
from relu_forecast.forecasting.data.reading import extend_panel
from relu_forecast.forecasting.models.committee import CommitteeModel

try:
    from sktime.forecasting.base import BaseForecaster
except ImportError as error:
    raise MissingPackageError("relu_forecast.adapters.sktime", "sktime", "sktime") from error


class ReLUForecaster(BaseForecaster):
    """Forecast with a two-layer ReLU network trained by convex optimization, with a lower bound.

    An adapter of `relu_forecast.ReLUForecaster`. Columns of ``X`` are known ahead: each adds
    its value at the time that is forecast to the features.

    In-sample forecasts are of one step, by the final model; the first ones, before which there
    are fewer samples than the model looks back on, are NaN, and all are of a committee, whose
    weights follow what was not known before. Intervals are conformal, see
    `relu_forecast.forecasting.ConformalIntervals`, and ahead only; the first ones of a horizon
    take a fit of their own. ``strategy="direct"``, and ``"joint"`` without ``horizon``, need the
    horizon in ``fit``. ``update`` leaves samples that were seen before as they were; with
    ``update_params=False`` the model stays, and forecasts go on from the new samples.

    Parameters
    ----------
    lags, horizon, estimator, strategy, transform, beta_ratio, skip_penalty, committee, random_state
        See `relu_forecast.ReLUForecaster`.
    missing : {"error", "interpolate", "skip"}, default "error"
        Refuse missing samples, fill them, or leave out of training what touches them; see
        `relu_forecast.ReLUForecaster.fit`.

    Attributes
    ----------
    forecaster_ : relu_forecast.ReLUForecaster
        Fitted, with certificates of the training in ``forecaster_.regressor_``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from relu_forecast.adapters.sktime import ReLUForecaster
    >>> wave = pd.Series(np.abs(np.sin(np.arange(100) / 5)))
    >>> forecaster = ReLUForecaster(lags=2, horizon=2, beta_ratio=0.2).fit(wave)
    >>> forecaster.predict(fh=[1, 2]).index.tolist()
    [100, 101]
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "relu_forecast contributors",
        "maintainers": "relu_forecast contributors",
        "capability:exogenous": True,
        "capability:insample": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": False,  # True unless missing="error"
        "capability:non_contiguous_X": False,  # a recursion needs every step on the way
        "capability:categorical_in_X": False,
        "capability:update": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "requires-fh-in-fit": True,  # False with a horizon, or strategy="recursive"
        "y_inner_mtype": "pd.Series",
        "X_inner_mtype": "pd.DataFrame",
    }
    # The fitted forecaster keeps the samples; once is enough.
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}

    def __init__(self, lags: Any = "auto", horizon: int | None = None, estimator: Any = None,
                 strategy: str = "joint", transform: str | None = "last_value",
                 beta_ratio: float | str | None = None, skip_penalty: float | None = None,
                 committee: bool = True, random_state: Any = 0, missing: str = "error") -> None:
        self.lags = lags
        self.horizon = horizon
        self.estimator = estimator
        self.strategy = strategy
        self.transform = transform
        self.beta_ratio = beta_ratio
        self.skip_penalty = skip_penalty
        self.committee = committee
        self.random_state = random_state
        self.missing = missing
        self._y = self._X = None  # which sktime reads where remember_data is switched on
        super().__init__()

    def __post_init__(self) -> None:
        self.set_tags(**{"capability:missing_values": self.missing != "error",
                         "requires-fh-in-fit": self._needs_horizon()})

    def _needs_horizon(self) -> bool:
        """Tell whether a fit must know the horizon."""
        model = forecasting.ReLUForecaster(horizon=self.horizon, strategy=self.strategy)
        return model.needs_horizon

    def _fit(self, y: pd.Series, X: pd.DataFrame | None, fh: Any) -> ReLUForecaster:
        self._name = y.name
        self._exog = () if X is None else tuple(X.columns)
        self.forecaster_ = forecasting.ReLUForecaster(
            lags=self.lags, horizon=self.horizon, estimator=self.estimator,
            strategy=self.strategy, transform=self.transform, beta_ratio=self.beta_ratio,
            skip_penalty=self.skip_penalty, committee=self.committee,
            random_state=self.random_state, future_exog=_exog_names(len(self._exog)))
        horizon = max(1, fh.to_relative(self.cutoff)[-1]) if self._needs_horizon() else None
        self.forecaster_.fit(self._long(y, X), horizon=horizon, freq=getattr(y.index, "freq", None),
                             missing=self.missing)
        return self

    def _update(self, y: pd.Series, X: pd.DataFrame | None = None,
                update_params: bool = True) -> ReLUForecaster:
        panel = self.forecaster_.panel_
        new = y[y.index > panel.series[0].times[-1]]
        if new.empty:
            return self
        data = self._long(new, X)
        if update_params:
            self.forecaster_.update(data)
        else:
            self.forecaster_.panel_ = extend_panel(panel, data)
        return self

    def _predict(self, fh: Any, X: pd.DataFrame | None) -> pd.Series:
        steps = self._steps(fh)
        forecasts = np.empty(len(steps))
        forecasts[steps < 1] = self._in_sample(steps[steps < 1])
        if steps[-1] > 0:
            frame = self._ahead(steps[-1], X, levels=[])
            forecasts[steps > 0] = frame[self.forecaster_.alias].iloc[steps[steps > 0] - 1]
        return pd.Series(forecasts, fh.to_absolute_index(self.cutoff), name=self._name)

    def _predict_interval(self, fh: Any, X: pd.DataFrame | None,
                          coverage: list[float]) -> pd.DataFrame:
        steps = self._steps(fh)
        shown = [f"{100 * share:g}" for share in coverage]
        frame = self._ahead(steps[-1], X, [float(level) for level in shown if level != "0"])
        alias = self.forecaster_.alias
        # An interval that covers nothing, which the median is a bound of, is the forecast.
        bounds = [frame[alias if level == "0" else f"{alias}-{side}-{level}"].iloc[steps - 1]
                  for level in shown for side in ("lo", "hi")]
        return pd.DataFrame(np.stack(bounds, axis=1), fh.to_absolute_index(self.cutoff),
                            self._get_columns("predict_interval", coverage=coverage))

    def _steps(self, fh: Any) -> npt.NDArray[np.intp]:
        """Return the steps of a horizon, increasing: 1 for the first sample that is not known."""
        last = self.forecaster_.panel_.series[0].times[-1]
        if self.cutoff[0] != last:
            raise InvalidArgumentError(
                "cutoff", f"the last sample that the forecaster has seen, {last}",
                str(self.cutoff[0]), "Update with samples that follow, or fit again.")
        return np.asarray(fh.to_indexer(self.cutoff) + 1, dtype=np.intp)

    def _in_sample(self, steps: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return forecasts of one step, by the final model, of samples that it was fitted to."""
        model = self.forecaster_
        [series] = model.panel_.series
        positions = len(series) - 1 + steps
        state = model.models_[series.unique_id]
        full = (positions >= model.lookback) & (not isinstance(state, CommitteeModel))
        forecasts = np.full(len(steps), np.nan)
        if full.any():
            past = series.arrays(model.covariates).past_at(
                positions[full] - 1, len(series), model.lookback, 1)
            forecasts[full] = forecast_checked(model, state, past, 1)[:, 0]
        return forecasts

    def _ahead(self, h: int, X: pd.DataFrame | None, levels: list[float]) -> pd.DataFrame:
        """Return what the forecaster predicts, step 1 to ``h``."""
        future = self._columns(X).rename_axis("ds").reset_index() if self._exog else None
        model = self.forecaster_
        horizon = model.horizon_ if model.needs_horizon else int(h)
        if levels and (model.intervals_ is None or model.horizon_ != horizon):
            model.calibrate(horizon)
        return model.predict(int(h), level=levels or None, future=future)

    def _long(self, y: pd.Series, X: pd.DataFrame | None) -> pd.DataFrame:
        """Return samples and columns as a long DataFrame of one series."""
        frame = pd.DataFrame({"y": y.to_numpy(np.float64)}, y.index)
        if self._exog:
            frame = frame.join(self._columns(X))
        return frame.rename_axis("ds").reset_index()

    def _columns(self, X: pd.DataFrame | None) -> pd.DataFrame:
        """Return the columns that the forecaster knows ahead, under its names for them."""
        given = () if X is None else tuple(X.columns)
        if X is None or not set(self._exog) <= set(given):
            raise InvalidArgumentError(
                "X", f"a frame with the columns {list(self._exog)}, as in fit",
                f"the columns {list(given)}", "Pass their values at these times.")
        columns = X[list(self._exog)].astype(np.float64)
        return columns.set_axis(_exog_names(len(self._exog)), axis="columns")

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return parameters for sktime's checks, one set per strategy; there is no other set."""
        return [{"lags": 3, "strategy": "recursive", "beta_ratio": 0.5},
                {"lags": 2, "estimator": LinearRegression(), "strategy": "direct",
                 "transform": "last_value", "missing": "interpolate"}]


def _exog_names(count: int) -> tuple[str, ...]:
    """Return names for columns that clash with none of a long DataFrame."""
    return tuple(f"x{place}" for place in range(count))
