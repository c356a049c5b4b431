"""One convexly trained network on the windows of a series, at one penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.linear_model import RidgeCV

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.networks import Dense
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.validation import Array, check_non_negative, check_positive
from relu_forecast.windows.transforms import RIDGE_PENALTIES


class NetworkAutoregression(Autoregression):
    """Autoregression with a two-layer ReLU network and a linear part, trained convexly.

    Parameters
    ----------
    lags, strategy, transform, alias, future_exog, past_exog
        See `Autoregression`. With ``transform="last_value"`` the linear part sees the level too.
    beta_ratio : float, default 0.01
        Penalty of the network, as a fraction of ``beta_max``, above which it has no neurons.
    skip_penalty : float, optional
        Ridge on the linear part. None takes the one of the least leave-one-out error of the linear
        part alone, in closed form.
    tol : float, default 0.01
        Relative gap to reach.
    quick : bool, default False
        Let a quick search say when the training is done: for networks that are compared, or mixed
        with others.
    analogs : int, optional
        See `Autoregression`. The linear part alone sees what comes of them, not the neurons.
    random_state : int, RandomState or None, default 0
        Seed of the search for activation patterns.
    """

    def __init__(self, lags: Any, strategy: str = "joint", transform: str | None = "last_value",
                 beta_ratio: float = 0.01, skip_penalty: float | None = None, tol: float = 1e-2,
                 quick: bool = False, random_state: Any = 0, alias: str = "Network",
                 future_exog: Sequence[str] = (), past_exog: Sequence[str] = (),
                 analogs: int | None = None) -> None:
        super().__init__(lags, None, strategy, transform, alias, future_exog, past_exog, analogs)
        self.beta_ratio = beta_ratio
        self.skip_penalty = skip_penalty
        self.tol = tol
        self.quick = quick
        self.random_state = random_state

    @property
    def sees_level(self) -> bool:
        return True

    def make_regressor(self) -> Any:
        ridge = self.skip_penalty
        return ConvexReLURegressor(
            beta_ratio=check_positive(self.beta_ratio, "beta_ratio"), tol=self.tol,
            skip_penalty=0.0 if ridge is None else check_non_negative(ridge, "skip_penalty"),
            settings=TrainingSettings().for_comparison() if self.quick else None,
            random_state=self.random_state)

    def rows(self, inputs: Inputs, history: History, first: int,
             n_steps: int | None) -> tuple[Array, Array]:
        """Return features and targets to fit a network to, of samples that are rounded to a grid.

        They are the same, but for odd coincidence, in whatever unit and at whatever level the data
        come: see `windows.grids`. ``inputs`` are those of the samples as they are.
        """
        rounded = history.on_grids(relative=self.transform is not None)
        return self.inputs_of(rounded, inputs.n_told).training(rounded, first, n_steps)

    def choose_regressor(self, features: Array, targets: Array, inputs: Inputs,
                         sample_weight: Array | None) -> Any:
        network = self.make_regressor()
        if inputs.n_told:
            seen = inputs.width - inputs.n_told
            network.set_params(architecture=Dense(constant_input=True, inputs=seen))
        if self.skip_penalty is None and len(features) > 2:
            ridge = RidgeCV(RIDGE_PENALTIES).fit(features, targets, sample_weight)
            network.set_params(skip_penalty=float(ridge.alpha_))
        return network
