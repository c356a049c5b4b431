"""One network for several targets, and filters with an output weight for each site."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from relu_forecast.datasets import load_ecg
from relu_forecast.estimators import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
    regularization_path,
)
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.storage import DamageError, decode, encode
from relu_forecast.windows.sliding import hankel
from tests.estimators.samples import Data

ROUGH: dict[str, Any] = {"tol": 0.05, "beta_ratio": 0.3}
QUICK: dict[str, Any] = {"n_neurons": 8, "n_steps": 15, "beta_ratio": 0.3}
REGRESSORS = {
    "dense": ConvexReLURegressor(fit_intercept=False, **ROUGH),
    "two sites": ConvexCNNRegressor(2, sites=2, **ROUGH),
    "circular": CircularCNNRegressor(**ROUGH),
    "gradients": NonconvexReLURegressor(**QUICK),
    "gradients, sum": NonconvexReLURegressor(architecture="conv", filter_size=2, **QUICK),
    "gradients, sites": NonconvexReLURegressor(
        architecture="conv", filter_size=2, sites=2, **QUICK),
    "gradients, every patch": NonconvexReLURegressor(
        architecture="conv", filter_size=2, sites="flatten", **QUICK),
    "gradients, circular": NonconvexReLURegressor("lbfgs", architecture="circular", **QUICK)}
every_regressor = pytest.mark.parametrize("name", list(REGRESSORS))
quick_regressors = pytest.mark.parametrize("name", [
    name for name in REGRESSORS if name == "dense" or "gradients" in name])


def windows(horizon: int = 3, n: int = 50) -> Data:
    """Three changes of an electrocardiogram, which are priced exactly, and what follows them."""
    ecg = load_ecg().to_numpy()[20_000 : 20_000 + n]
    X, Y = hankel((ecg - ecg.mean()) / ecg.std(), 4, horizon)
    return X[:, :-1] - X[:, -1:], np.array(Y)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    """Each regressor, fitted to three targets; made when first asked for."""
    return Fitted()


class Fitted(dict[str, Any]):
    """Fits a regressor when it is asked for."""

    def __missing__(self, name: str) -> Any:
        self[name] = clone(REGRESSORS[name]).fit(*windows())
        return self[name]


def squares(network: Any) -> float:
    """Return the squares of the weights that are penalised."""
    named = dict(network.named_parameters())
    named.pop("skip_weight", None)
    named.pop("skip_bias", None)
    if "pooling_weight" in named:  # a circular network: filters of unit length are free
        named.pop("convolution.weight")
    return float(sum(each.detach().square().sum() for each in named.values()))


@every_regressor
def test_predictions_are_of_the_form_of_the_targets(name: str, fitted: Any) -> None:
    X, Y = windows()
    model = fitted[name]
    assert model.predict(X).shape == Y.shape
    assert model.predict(X[:1]).shape == (1, 3)
    assert model.score(X, Y) > LinearRegression().fit(X, Y).score(X, Y) - 0.05
    weight = model.network_.output_weight
    assert weight.shape[-1] == 3
    assert weight.ndim == (3 if "sites" in name or "patch" in name else 2)
    assert model.network_.n_outputs == 3


@quick_regressors
def test_a_column_is_a_vector_but_for_the_form_of_the_predictions(name: str) -> None:
    X, y = windows(1)
    column = clone(REGRESSORS[name]).fit(X, y[:, None])
    vector = clone(REGRESSORS[name]).fit(X, y)
    assert column.predict(X).shape == (len(X), 1)
    np.testing.assert_allclose(column.predict(X)[:, 0], vector.predict(X), rtol=1e-9, atol=1e-9)
    assert column.objective_ == pytest.approx(vector.objective_, rel=1e-10)


@every_regressor
def test_the_objective_is_that_of_scaled_targets_from_the_weights_alone(
    name: str, fitted: Any
) -> None:
    X, Y = windows()
    model = fitted[name]
    left = Y - LinearRegression().fit(X, Y).predict(X)
    scale = np.sqrt((left**2).mean(0))
    np.testing.assert_allclose(model.network_.target_scale, scale, rtol=1e-9)
    loss = 0.5 * (((model.predict(X) - Y) / scale) ** 2).sum()
    own = loss + model.beta_ / 2 * squares(model.network_)
    assert model.objective_ == pytest.approx(own, rel=1e-9)


@pytest.mark.parametrize("name", ["dense", "gradients, sites"])
def test_the_units_of_the_targets_decide_nothing(name: str, fitted: Any) -> None:
    X, Y = windows()
    units = np.array([1.0, 2.0**10, 2.0**-7])  # powers of two round nothing
    other = clone(REGRESSORS[name]).fit(X, units * Y)
    np.testing.assert_allclose(other.predict(X) / units, fitted[name].predict(X), rtol=1e-9)
    assert other.objective_ == pytest.approx(fitted[name].objective_)
    assert other.beta_max_ == pytest.approx(fitted[name].beta_max_)


def test_without_scaling_large_targets_come_first() -> None:
    X, Y = windows()
    Y[:, 0] *= 100
    model = NonconvexReLURegressor("lbfgs", 8, n_steps=60, beta_ratio=0.05)
    plain = clone(model).set_params(scale_targets=False).fit(X, Y)
    scaled = clone(model).fit(X, Y)
    assert plain.network_.target_scale is None
    errors = [((model.predict(X) - Y)[:, 1:] ** 2).sum() for model in (plain, scaled)]
    assert errors[0] > 1.2 * errors[1]
    loss = 0.5 * ((plain.predict(X) - Y) ** 2).sum()
    assert plain.objective_ == pytest.approx(
        loss + plain.beta_ / 2 * squares(plain.network_), rel=1e-9)


@quick_regressors
def test_a_single_target_is_not_scaled(name: str) -> None:
    X, y = windows(1, 40)
    models = [clone(REGRESSORS[name]).set_params(scale_targets=scale).fit(X, y)
              for scale in (False, True)]
    assert models[1].network_.target_scale is None
    np.testing.assert_array_equal(*[model.predict(X) for model in models])


@pytest.mark.parametrize(("name", "skip"), [("dense", True), ("dense", False),
                                            ("two sites", True)])
def test_a_constant_target_is_predicted_beside_others(name: str, skip: bool) -> None:
    X, Y = windows(2)
    Y = np.c_[Y, np.full(len(Y), 2.5), np.zeros(len(Y))]
    model = clone(REGRESSORS[name]).set_params(linear_skip=skip).fit(X, Y)
    np.testing.assert_allclose(model.predict(X)[:, 3], 0.0, atol=1e-9)
    assert float(model.network_.target_scale[3]) == 1.0
    if skip:
        np.testing.assert_allclose(model.predict(X)[:, 2], 2.5, atol=1e-9)
        assert float(model.network_.target_scale[2]) == 1.0
        without = clone(REGRESSORS[name]).fit(X, Y[:, :2])
        assert model.objective_ == pytest.approx(without.objective_, rel=0.05)


@pytest.mark.parametrize("name", ["dense", "two sites", "circular"])
def test_targets_that_the_linear_part_fits_leave_no_neuron_to_find(name: str) -> None:
    X, _ = windows(1, 40)
    Y = X @ np.random.default_rng(0).standard_normal((3, 2)) + [1.0, -2.0]
    model = clone(REGRESSORS[name]).set_params(beta_ratio=0.5).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), Y, atol=1e-7)
    assert model.beta_max_ == 0.0


@pytest.mark.long
@pytest.mark.parametrize(("name", "options"), [
    ("dense", {"patterns": "sampled", "n_patterns": 5}), ("dense", {"activation": "gated_relu"}),
    ("two sites", {"patterns": "sampled", "n_patterns": 3, "beta_ratio": 0.05}),
    ("circular", {"activation": "gated_relu"})])
def test_given_patterns_and_gates_take_the_heads_that_are_best(
    name: str, options: dict[str, Any]
) -> None:
    X, Y = windows(2, 40)
    more = {"n_patterns": 5, "beta_ratio": 0.3, "tol": 0.05, **options}
    model = clone(REGRESSORS[name]).set_params(**more).fit(X, Y)
    assert model.gap_ <= model.tol
    assert model.n_neurons_ >= 1
    assert model.predict(X).shape == Y.shape
    assert model.certificate_.scope == "program"
    gated = "activation" in options
    assert (model.network_.gate is not None) is gated
    if gated:
        path = regularization_path(X, Y, ratios=[0.3], tol=0.05, n_patterns=5,
                                   activation="gated_relu", architecture=name)
        assert path.gaps[0] <= 0.05


@pytest.mark.parametrize(("targets", "message"), [
    (np.full((46, 3), np.nan), "NaN"), (np.full((46, 3), np.inf), "infinity"),
    (np.zeros((46, 0)), "0 feature"), (np.zeros((45, 3)), "inconsistent numbers of samples"),
    (np.zeros((46, 3, 1)), "dim 3"), (np.full((46, 2), "a"), "could not convert|real numbers")])
@pytest.mark.parametrize("name", ["dense", "gradients"])
def test_targets_of_no_use_are_refused(name: str, targets: Any, message: str) -> None:
    X, _ = windows(1)
    with pytest.raises(ValueError, match=message):
        clone(REGRESSORS[name]).fit(X, targets)


@pytest.mark.parametrize(("sites", "message"), [
    (3, "at most the number of patches of a window, 2"), (0, "sites must be"),
    (-1, "sites must be"), ("all", "sites must be 'global', 'flatten' or"), (1.5, "sites must be"),
    (None, "sites must be"), (True, "sites must be")])
@pytest.mark.parametrize("name", ["two sites", "gradients, sites"])
def test_sites_that_cannot_be_are_refused(name: str, sites: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        clone(REGRESSORS[name]).set_params(sites=sites).fit(*windows())


def test_sites_are_of_a_convolution_only() -> None:
    with pytest.raises(InvalidArgumentError, match="sites must be left out without a convolution"):
        NonconvexReLURegressor(sites=2).fit(*windows())
    with pytest.raises(InvalidArgumentError, match="sites must be left out without a convolution"):
        regularization_path(*windows(), sites=2)


@quick_regressors
def test_parameters_are_kept_by_clones_and_fits_repeat(name: str, fitted: Any) -> None:
    X, Y = windows()
    copy = clone(fitted[name])
    assert copy.get_params() == REGRESSORS[name].get_params()
    np.testing.assert_array_equal(copy.fit(X, Y).predict(X), fitted[name].predict(X))
    same = pickle.loads(pickle.dumps(fitted[name]))
    np.testing.assert_array_equal(same.predict(X), fitted[name].predict(X))


@pytest.fixture
def threads() -> Iterator[None]:
    """Give torch back as many threads as it had."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_decides_nothing() -> None:
    generator = np.random.default_rng(3)  # so many samples that two threads round differently
    X, Y = generator.standard_normal((3000, 4)), generator.standard_normal((3000, 3))
    scales = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        model = NonconvexReLURegressor(n_neurons=2, n_steps=2).fit(X, Y)
        path = regularization_path(X, Y, ratios=[1.0])
        scales.append((model.network_.target_scale, path.networks[0].target_scale))
    for one, two in zip(*scales, strict=True):
        assert torch.equal(one, two)


@every_regressor
def test_what_is_saved_comes_back(name: str, fitted: Any) -> None:
    X, _ = windows()
    again = decode(*encode(fitted[name]))
    assert again.get_params() == fitted[name].get_params()
    np.testing.assert_array_equal(again.predict(X), fitted[name].predict(X))
    for key, part in fitted[name].network_.state_dict().items():
        assert torch.equal(again.network_.state_dict()[key], part)


def weight(change: Any) -> Any:
    """Change the output weights of a model's network."""
    def changed(model: Any) -> None:
        old = model.network_.output_weight.detach()
        model.network_.output_weight = torch.nn.Parameter(change(old))
    return changed


def part(name: str, value: Any) -> Any:
    """Set another part of a model's network."""
    def changed(model: Any) -> None:
        setattr(model.network_, name, value)
    return changed


def skip(*axes: int) -> Any:
    """Give a model's network a linear part for so many outputs."""
    def changed(model: Any) -> None:
        for name, shape in (("skip_weight", (3, *axes)), ("skip_bias", axes)):
            weights = torch.nn.Parameter(torch.ones(shape, dtype=torch.float64))
            setattr(model.network_, name, weights)
    return changed


ONES = torch.ones(3, dtype=torch.float64)
HOSTILE = [
    ("dense", weight(lambda w: w[:, :2])), ("dense", weight(lambda w: w[:, :0])),
    ("dense", weight(lambda w: w[:, 0])), ("dense", weight(lambda w: w[:1])),
    ("dense", weight(lambda w: w[:, None])), ("dense", weight(lambda w: w.float())),
    ("dense", part("target_scale", ONES[:2])), ("dense", part("target_scale", ONES.float())),
    ("dense", part("target_scale", 0 * ONES)), ("dense", part("target_scale", -ONES)),
    ("dense", part("target_scale", ONES[:1])),
    ("dense", skip(2)), ("dense", skip(1)), ("dense", skip()),
    ("gradients, sites", weight(lambda w: w[:, :1])),
    ("gradients, sites", weight(lambda w: w[:, 0])),
    ("gradients, sites", weight(lambda w: w[..., 0])),
    ("gradients, sites", weight(lambda w: w.repeat(1, 2, 1))),
    ("gradients, sites", part("sites", 3)), ("gradients, sites", part("sites", 10**9)),
    ("gradients, sites", part("sites", "global")),
    ("gradients, sum", part("sites", 2)), ("gradients, every patch", part("sites", 3)),
    ("circular", weight(lambda w: w[:, :2])), ("gradients", weight(lambda w: w[:, :2]))]


@pytest.mark.parametrize(("name", "change"), HOSTILE)
def test_networks_whose_parts_do_not_fit_are_refused(name: str, change: Any, fitted: Any) -> None:
    model = pickle.loads(pickle.dumps(fitted[name]))
    change(model)
    with pytest.raises(DamageError):
        decode(*encode(model))


def test_a_warm_start_of_other_heads_is_refused(fitted: Any) -> None:
    X, Y = windows()
    left = clone(REGRESSORS["dense"]).set_params(beta_ratio=0.6, tol=0.5).fit(X, Y[:, :2])
    with pytest.raises(InvalidArgumentError, match="warm_start must be of 3 entries per head"):
        clone(REGRESSORS["dense"]).fit(X, Y, warm_start=left.warm_start_)
    other = pickle.loads(pickle.dumps(left))
    other.warm_start_ = fitted["dense"].warm_start_
    with pytest.raises(DamageError):
        decode(*encode(other))


@pytest.mark.parametrize("name", ["dense", "two sites"])
def test_a_warm_start_ends_as_well(name: str, fitted: Any) -> None:
    X, Y = windows(n=52)
    cold = clone(REGRESSORS[name]).fit(X, Y)
    warm = clone(REGRESSORS[name]).fit(X, Y, warm_start=fitted[name].warm_start_)
    assert warm.gap_ <= warm.tol
    assert warm.objective_ == pytest.approx(cold.objective_, rel=0.05)
    heads = warm.warm_start_.neurons.heads
    assert heads.shape[1] == (6 if name == "two sites" else 3)
    torch.testing.assert_close(heads.norm(dim=1), torch.ones(len(heads)).double())


@pytest.mark.parametrize(("horizon", "sites"), [(2, "global"), (1, 2), (2, "flatten")])
def test_filters_of_two_taps_are_proven_optimal(horizon: int, sites: Any) -> None:
    X, Y = windows(horizon, 40)
    model = ConvexCNNRegressor(2, sites=sites, fit_intercept=False, beta_ratio=0.5, tol=0.02)
    assert model.fit(X, Y).certificate_.scope == "network"
    assert model.gap_ <= model.tol
    rival = NonconvexReLURegressor(
        "lbfgs", 10, architecture="conv", filter_size=2, sites=sites, beta=model.beta_,
        fit_intercept=False, n_steps=60).fit(X, Y)
    assert rival.beta_max_ == pytest.approx(model.beta_max_, rel=1e-9)
    assert rival.objective_ >= model.certificate_.dual_objective


RIVALS = {"dense": {"fit_intercept": False},
          "two sites": {"architecture": "conv", "filter_size": 2, "sites": 2}}


@pytest.mark.parametrize("name", list(RIVALS))
def test_gradients_end_within_the_bound_of_the_certified_network(name: str, fitted: Any) -> None:
    X, Y = windows()
    model = fitted[name]
    assert model.gap_ <= model.tol
    rival = NonconvexReLURegressor(
        "lbfgs", 20, beta=model.beta_, n_steps=150, **RIVALS[name]).fit(X, Y)
    assert rival.objective_ >= model.certificate_.dual_objective * (1 - 1e-9)
    assert rival.objective_ <= 1.05 * model.objective_
    assert rival.trace_[-1].objective == pytest.approx(rival.objective_, rel=1e-3)


@pytest.mark.parametrize("options", [
    {"fit_intercept": False}, {"architecture": "conv", "filter_size": 2, "sites": 2}])
def test_the_path_of_a_joint_network_starts_at_the_linear_model(options: Any) -> None:
    X, Y = windows()
    path = regularization_path(X, Y, ratios=[1, 0.5, 0.3], tol=0.05, **options)
    assert path.n_neurons[0] == 0
    assert path.n_neurons[-1] >= 1
    linear = LinearRegression().fit(X, Y).predict(X)
    with torch.no_grad():
        np.testing.assert_allclose(path.networks[0](torch.tensor(X)), linear, atol=1e-9)
    assert (np.diff(path.objectives) < 0).all()
    assert (path.gaps <= 0.05).all()
    own = [network.objective(torch.tensor(X), torch.tensor(Y), beta)
           for network, beta in zip(path.networks, path.betas, strict=True)]
    np.testing.assert_allclose(path.objectives, own, rtol=1e-9)


def test_the_path_scales_its_targets_unless_it_is_told_not_to() -> None:
    X, Y = windows()
    scaled, plain = (regularization_path(X, Y * [1.0, 1.0, 100.0], ratios=[0.9], tol=0.5,
                                         scale_targets=scale) for scale in (True, False))
    assert scaled.networks[0].target_scale is not None
    assert plain.networks[0].target_scale is None
    assert plain.beta_max > 10 * scaled.beta_max


def test_the_path_refuses_targets_of_no_use() -> None:
    X, Y = windows()
    for targets, message in ((np.full_like(Y, np.nan), "y must be finite"),
                             (Y[:-1], "y must be a vector of"), (Y[:, :0], "y must be"),
                             (Y[..., None], "y must be"),
                             (np.c_[X[:, 0], X[:, 1]], "y must be more than a linear")):
        with pytest.raises(InvalidArgumentError, match=message):
            regularization_path(X, targets, ratios=[0.5])
