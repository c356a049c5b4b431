"""Any scikit-learn regressor, or boosted trees, on the same windows as the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.storage import Declaration, Of, declare, stored_estimator
from relu_forecast.validation import Array, check_choice


@stored_estimator()
class OnResiduals(RegressorMixin, BaseEstimator):
    """Least squares, and a regressor for what it leaves; a prediction is the sum of both.

    Parameters
    ----------
    estimator : regressor
        A scikit-learn regressor; it is cloned, not fitted.

    Attributes
    ----------
    linear_, estimator_ : regressor
        The two that are fitted.
    """

    linear_: Any
    estimator_: Any

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @property
    def n_features_in_(self) -> int:
        """Features that both regressors were fitted to."""
        return int(self.linear_.n_features_in_)

    def check_stored(self) -> None:
        """Refuse two regressors that were not fitted to the same features."""
        if hasattr(self, "linear_") and (
                self.linear_.n_features_in_ != self.estimator_.n_features_in_):
            raise ValueError("it must have parts that agree")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> OnResiduals:
        """Fit both; see `Regressor`."""
        self.linear_ = LinearRegression().fit(X, y, sample_weight)
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator_ = clone(self.estimator).fit(X, y - self.linear_.predict(X), **given)
        return self

    def predict(self, X: Any) -> Array:
        """Return the sum of both predictions, shape (n,)."""
        return np.asarray(self.linear_.predict(X) + self.estimator_.predict(X))


class SerialBoosting(HistGradientBoostingRegressor):
    """Boosted trees that are grown by one thread.

    More threads sum in another order, which may turn a split; and they stand in each other's
    way where there are as many workers as cores.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SerialBoosting:
        """Fit on one thread."""
        with threadpool_limits(1, user_api="openmp"):
            super().fit(X, y, sample_weight)
        return self


def _with_trees_of(fitted: Any, made: Any) -> Any:
    """Return ``made``, a new estimator, with all that is in a fitted one."""
    made.__dict__.update(fitted.__dict__)
    return made


# Files keep the trees as those of scikit-learn.
declare(SerialBoosting, Declaration(
    lambda: {"trees": Of(HistGradientBoostingRegressor)},
    lambda fitted: {"trees": _with_trees_of(fitted, HistGradientBoostingRegressor())},
    lambda kept, parts: _with_trees_of(parts["trees"], kept())))


class Regressor(Autoregression):
    """Forecast with any scikit-learn regressor on lags, alone or on top of a linear one.

    Parameters
    ----------
    estimator : regressor
        A scikit-learn regressor; it is cloned, not fitted.
    lags : int, default 15
        Samples that the regressor sees.
    on_residuals : bool, default False
        Fit it to what least squares on the same features leaves; forecasts are the sum.
    strategy, transform, alias, future_exog, past_exog
        As for `Autoregression`.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> model = Regressor(KNeighborsRegressor(1), lags=2, transform=None)
    >>> model.fit([1, 2, 3, 1, 2, 3, 1]).predict(h=4)["Regressor"].tolist()
    [2.0, 3.0, 1.0, 2.0]
    """

    def __init__(self, estimator: Any, lags: int = 15, on_residuals: bool = False,
                 strategy: str = "recursive", transform: str | None = "last_value",
                 alias: str = "Regressor", future_exog: Sequence[str] = (),
                 past_exog: Sequence[str] = ()) -> None:
        super().__init__(lags, estimator, strategy, transform, alias, future_exog, past_exog)
        self.on_residuals = on_residuals

    def check_parameters(self) -> None:
        super().check_parameters()
        check_choice(self.on_residuals, "on_residuals", (False, True))

    def make_regressor(self) -> Any:
        estimator = super().make_regressor()
        return OnResiduals(estimator) if self.on_residuals else estimator


class GradientBoosting(Regressor):
    """Forecast with gradient boosted trees on lags, scikit-learn's histogram ones.

    Trees cannot leave the range of the targets that they were fitted to; ``on_residuals=True``,
    or another transform, lets forecasts follow a level that wanders. For settings beyond these,
    give `Regressor` a ``HistGradientBoostingRegressor``.

    A fit takes one thread, and forecasts do not depend on how many there are.

    Parameters
    ----------
    lags : int, default 15
        Samples that the trees see.
    on_residuals : bool, default False
        Grow them on what least squares on the same features leaves; forecasts are the sum.
    random_state : int, RandomState or None, default 0
        Draws the windows that tell when to stop, which more than 10,000 windows are for.
    strategy, transform, alias, future_exog, past_exog
        As for `Autoregression`.
    """

    def __init__(self, lags: int = 15, on_residuals: bool = False, strategy: str = "recursive",
                 transform: str | None = "last_value", random_state: Any = 0,
                 alias: str = "GradientBoosting", future_exog: Sequence[str] = (),
                 past_exog: Sequence[str] = ()) -> None:
        super().__init__(
            None, lags, on_residuals, strategy, transform, alias, future_exog, past_exog)
        self.random_state = random_state

    def make_regressor(self) -> Any:
        trees = SerialBoosting(random_state=self.random_state)
        return OnResiduals(trees) if self.on_residuals else trees

    def min_length(self, h: int) -> int:
        # Trees are fitted to two windows at least.
        return super().min_length(h) + 1
