"""Linear autoregressions: against closed forms."""

import numpy as np
import pytest

from relu_forecast.baselines import LassoAR, LinearAR, NLinear, RidgeAR
from relu_forecast.baselines.linear import RIDGE_PENALTIES
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.windows.sliding import hankel
from tests.baselines.samples import SIGNAL


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_linear_autoregression_finds_the_recursion_that_made_the_data(strategy, forecast):
    values = [1.0, 0.5]
    for _ in range(58):
        values.append(1.6 * values[-1] - 0.9 * values[-2] + 0.2)
    model = LinearAR(2, strategy=strategy, transform="standardize")
    np.testing.assert_allclose(forecast(model, values[:50], 10), values[50:], atol=1e-8)


def standardised(values, lags):
    """Windows and targets of standardised values, centred, and what undoes it."""
    z = (values - values.mean()) / values.std()
    X, y = hankel(z, lags)
    return z, X, y, X - X.mean(axis=0), y - y.mean()


def ridge_weights(Xc, yc, penalty):
    """The minimiser of ||y - Xa||^2 + penalty ||a||^2."""
    return np.linalg.solve(Xc.T @ Xc + penalty * np.eye(Xc.shape[1]), Xc.T @ yc)


@pytest.mark.parametrize("penalty", [0.1, 30.0])
def test_ridge_is_its_normal_equations(penalty, forecast):
    z, X, y, Xc, yc = standardised(SIGNAL, 6)
    a = ridge_weights(Xc, yc, penalty)
    expected = (z[-6:] - X.mean(axis=0)) @ a + y.mean()
    model = RidgeAR(6, penalty, transform="standardize")
    np.testing.assert_allclose(
        forecast(model, SIGNAL, 1), expected * SIGNAL.std() + SIGNAL.mean())


def test_ridge_chooses_by_leaving_each_window_out():
    _, X, y, _, _ = standardised(SIGNAL[:40], 4)
    errors = []
    for penalty in RIDGE_PENALTIES:
        left_out = []
        for i in range(len(X)):
            kept = np.arange(len(X)) != i
            Xk, yk = X[kept], y[kept]
            a = ridge_weights(Xk - Xk.mean(axis=0), yk - yk.mean(), penalty)
            left_out.append(y[i] - yk.mean() - (X[i] - Xk.mean(axis=0)) @ a)
        errors.append(np.mean(np.square(left_out)))
    model = RidgeAR(4, transform="standardize").fit(SIGNAL[:40])
    assert model.regressor_.alpha_ == pytest.approx(RIDGE_PENALTIES[int(np.argmin(errors))])


@pytest.mark.parametrize("penalty", [0.01, 0.2])
def test_lasso_meets_its_optimality_conditions(penalty):
    *_, Xc, yc = standardised(SIGNAL, 6)
    a = LassoAR(6, penalty, transform="standardize").fit(SIGNAL).regressor_.coef_
    gradient = Xc.T @ (yc - Xc @ a) / len(yc)
    assert (np.abs(gradient) <= penalty * (1 + 1e-2)).all()
    np.testing.assert_allclose(gradient[a != 0], penalty * np.sign(a[a != 0]), rtol=1e-2)


def test_lasso_drops_lags_as_its_penalty_grows():
    models = (LassoAR(10, penalty, transform="standardize") for penalty in (1e-4, 0.1, 10.0))
    kept = [np.count_nonzero(model.fit(SIGNAL).regressor_.coef_) for model in models]
    assert kept[0] == 10 > kept[1] > kept[2] == 0


def test_lasso_chooses_a_penalty_for_later_windows_and_always_the_same(forecast):
    regressor = LassoAR(6).fit(SIGNAL).regressor_
    assert regressor.alphas_.min() < regressor.alpha_ < regressor.alphas_.max()
    np.testing.assert_array_equal(
        forecast(LassoAR(6), SIGNAL, 5), forecast(LassoAR(6), SIGNAL, 5))


@pytest.mark.parametrize("penalty", [0.0, 3.0])
@pytest.mark.parametrize("h", [1, 7])
def test_nlinear_is_its_normal_equations(penalty, h, forecast):
    model, lags = NLinear(6, penalty), 6
    X, y = hankel(SIGNAL, lags, h)
    # The last lag relative to itself is 0, so it has no weight.
    shifts, targets = X[:, :-1] - X[:, -1:], y.reshape(len(X), -1) - X[:, -1:]
    a = ridge_weights(shifts - shifts.mean(axis=0), targets - targets.mean(axis=0), penalty)
    last = SIGNAL[-lags:-1] - SIGNAL[-1] - shifts.mean(axis=0)
    expected = SIGNAL[-1] + targets.mean(axis=0) + last @ a
    np.testing.assert_allclose(forecast(model, SIGNAL, h), expected, atol=1e-10)


def test_nlinear_is_direct_autoregression_on_common_windows(forecast):
    direct = LinearAR(6, strategy="direct", transform="last_value")
    np.testing.assert_allclose(
        forecast(NLinear(6), SIGNAL, 4)[-1], forecast(direct, SIGNAL, 4)[-1])
    np.testing.assert_array_equal(forecast(NLinear(6), np.full(30, 0.1), 4), 0.1)


def test_nlinear_forecasts_as_far_as_it_was_fitted_to():
    model = NLinear(6).fit(SIGNAL, horizon=5)
    np.testing.assert_array_equal(model.predict(3)["NLinear"], model.predict()["NLinear"][:3])
    with pytest.raises(InvalidArgumentError, match="h must be at most 5, the horizon of the fit"):
        model.predict(6)
    state = model.train(History.of(SIGNAL), 5, ())
    with pytest.raises(InvalidArgumentError, match="h must be at most 5, the horizon of the fit"):
        state.forecast(SIGNAL[np.newaxis, -6:], 6)
