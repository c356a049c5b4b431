from __future__ import annotations

import pickle
import re
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.linear_model import LinearRegression

from relu_forecast.datasets import load_ecg
from relu_forecast.estimators import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
)
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.networks.modules import CircularReLUNetwork, ConvReLUNetwork
from relu_forecast.patterns.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.training.train import one_thread
from relu_forecast.windows.sliding import hankel

Data = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def bent(n: int = 120, seed: int = 0) -> Data:
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, 3))
    y = np.abs(X[:, 0]) - np.maximum(X[:, 1] + X[:, 2], 0.3) + 0.05 * generator.standard_normal(n)
    return X, y


@pytest.fixture(scope="module")
def fitted() -> ConvexReLURegressor:
    return ConvexReLURegressor().fit(*bent())


def test_fits_bends_that_a_line_cannot(fitted: ConvexReLURegressor) -> None:
    X, y = bent(seed=1)
    assert fitted.score(X, y) > 0.95
    assert LinearRegression().fit(*bent()).score(X, y) < 0.7


def test_attributes_tell_of_the_network(fitted: ConvexReLURegressor) -> None:
    X, y = (torch.as_tensor(part) for part in bent())
    own = fitted.network_.objective(X, y, fitted.beta_)
    assert fitted.objective_ == pytest.approx(own, rel=1e-10)
    assert fitted.certificate_.objective == pytest.approx(own, rel=1e-9)
    assert fitted.gap_ == fitted.certificate_.gap <= fitted.tol
    assert fitted.n_neurons_ == fitted.network_.n_neurons >= 2
    assert fitted.beta_ == pytest.approx(0.03 * fitted.beta_max_)
    assert "estimated" in str(fitted.certificate_)


def test_predict_is_the_network(fitted: ConvexReLURegressor) -> None:
    X, _ = bent(seed=2)
    expected = fitted.network_(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-12)


def test_absolute_beta_overrides_the_ratio() -> None:
    model = ConvexReLURegressor(beta=2.5, beta_ratio=0.5).fit(*bent())
    assert model.beta_ == 2.5


def test_more_penalty_needs_fewer_neurons() -> None:
    counts = [ConvexReLURegressor(beta_ratio=ratio, tol=1e-3).fit(*bent()).n_neurons_
              for ratio in (0.01, 0.3, 1.1)]
    assert counts[0] >= counts[1] >= counts[2] == 0


def test_without_neurons_it_is_linear_regression() -> None:
    X, y = bent()
    model = ConvexReLURegressor(beta_ratio=1.1).fit(X, y)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, y).predict(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [("linear_skip", False), ("skip_penalty", 100.0), ("fit_intercept", False),
     ("activation", "gated_relu"), ("patterns", "sampled"), ("beta_ratio", 0.2),
     ("dtype", "float32"), ("random_state", 5)])
def test_every_parameter_changes_the_fit(
    fitted: ConvexReLURegressor, name: str, value: Any
) -> None:
    X, y = bent()
    options = {"tol": 1e-3, name: value}
    other = ConvexReLURegressor(**options).fit(X, y)
    assert not np.array_equal(other.predict(X), fitted.predict(X))


def test_n_patterns_bounds_the_sampled_program() -> None:
    X, y = bent()
    one = ConvexReLURegressor(patterns="sampled", n_patterns=1).fit(X, y)
    many = ConvexReLURegressor(patterns="sampled", n_patterns=40).fit(X, y)
    assert one.n_neurons_ <= 2
    assert many.objective_ < one.objective_
    assert many.certificate_.scope == "program"


def test_solver_choice_agrees() -> None:
    X, y = bent(40)
    options: dict[str, Any] = {"patterns": "sampled", "n_patterns": 8, "tol": 1e-6}
    ours = ConvexReLURegressor(solver="interior_point", **options).fit(X, y)
    reference = ConvexReLURegressor(solver="cvxpy", **options).fit(X, y)
    assert ours.objective_ == pytest.approx(reference.objective_, rel=1e-5)


def test_own_patterns() -> None:
    X, y = bent(50)
    augmented = torch.as_tensor(np.c_[X, np.ones(len(X))])
    patterns = sample_patterns(augmented, 10, random_state=0)
    model = ConvexReLURegressor(patterns=patterns).fit(X, y)
    assert model.certificate_.scope == "program"
    wrong = ActivationPatterns(~patterns.masks, patterns.gates)
    with pytest.raises(InvalidArgumentError, match="patterns must be"):
        ConvexReLURegressor(patterns=wrong).fit(X, y)


def test_ridge_on_the_skip_shrinks_it() -> None:
    X, y = bent()
    free = ConvexReLURegressor(tol=1e-3).fit(X, y)
    held = ConvexReLURegressor(skip_penalty=1e4, tol=1e-3).fit(X, y)
    assert held.network_.skip_weight.norm() < 0.2 * free.network_.skip_weight.norm()


def test_unfinished_training_warns_with_its_gap() -> None:
    X, y = bent()
    with pytest.warns(ConvergenceWarning, match=r"relative gap .* > tol=1.0e-15"):
        model = ConvexReLURegressor(tol=1e-15, max_iter=1).fit(X, y)
    assert model.n_iter_ == 1
    assert model.gap_ > 1e-15


def test_verbose_prints_each_round(capsys: pytest.CaptureFixture[str]) -> None:
    model = ConvexReLURegressor(verbose=1, tol=1e-3).fit(*bent(60))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ + 1
    assert lines[-1].startswith(f"{model.n_neurons_} neurons: objective")
    assert re.match(r"round 1: objective .* estimated", lines[0])


def test_same_answer_every_time_and_for_any_thread_count() -> None:
    ecg = load_ecg().to_numpy()[:600]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 8)
    before = torch.get_num_threads()
    predictions = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        predictions.append(ConvexReLURegressor(tol=1e-2).fit(X, y).predict(X))
    torch.set_num_threads(before)
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=1e-9)


def test_one_thread_restores_what_was() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_scale_of_target_and_inputs_does_not_matter() -> None:
    X, y = bent(60)
    plain = ConvexReLURegressor(tol=1e-3, fit_intercept=False).fit(X, y)
    scaled = ConvexReLURegressor(tol=1e-3, fit_intercept=False).fit(1e3 * X, 1e-4 * y)
    np.testing.assert_allclose(1e4 * scaled.predict(1e3 * X), plain.predict(X), atol=0.02)


def test_pickles(fitted: ConvexReLURegressor) -> None:
    X, _ = bent()
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"beta": 0.0}, "beta must be"), ({"beta": -1.0}, "beta must be"),
     ({"beta": float("nan")}, "beta must be"), ({"beta_ratio": 0}, "beta_ratio must be"),
     ({"activation": "tanh"}, "activation must be"), ({"patterns": "all"}, "patterns must be"),
     ({"n_patterns": 0, "patterns": "sampled"}, "n_patterns must be"),
     ({"skip_penalty": -1.0}, "skip_penalty must be"), ({"tol": 0.0}, "tol must be"),
     ({"max_iter": 0}, "max_iter must be"), ({"device": "tpu"}, "device must be"),
     ({"dtype": "int8"}, "dtype must be"), ({"solver": "scs"}, "solver must be")])
def test_bad_parameters_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ConvexReLURegressor(**options).fit(*bent(20))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_values_are_refused(bad: float) -> None:
    X, y = bent(20)
    X[3, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        ConvexReLURegressor().fit(X, y)


@pytest.mark.parametrize("target", [0.0, 2.5])
def test_constant_target_is_predicted(target: float) -> None:
    X, _ = bent(30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ConvexReLURegressor().fit(X, np.full(30, target))
    np.testing.assert_allclose(model.predict(X), target, atol=1e-10)
    assert model.n_neurons_ == 0


def test_constant_feature_does_no_harm() -> None:
    X, y = bent(60)
    X[:, 2] = 7.0
    assert ConvexReLURegressor(tol=1e-3).fit(X, y).n_neurons_ >= 1


@pytest.mark.parametrize(
    "options",
    [{"optimizer": "adam"}, {"optimizer": "lbfgs"},
     {"optimizer": "sgd", "learning_rate": 0.1, "n_steps": 400}])
def test_nonconvex_training_approaches_the_convex_optimum(
    options: dict[str, Any], fitted: ConvexReLURegressor
) -> None:
    X, y = bent()
    model = NonconvexReLURegressor(**options, beta=fitted.beta_).fit(X, y)
    floor = fitted.objective_ * (1 - fitted.tol)
    assert floor <= model.objective_ <= 1.1 * fitted.objective_
    assert model.objective_ == pytest.approx(
        model.network_.objective(torch.as_tensor(X), torch.as_tensor(y), model.beta_))


def test_trace_descends_and_counts() -> None:
    model = NonconvexReLURegressor("adam", n_steps=50).fit(*bent())
    assert [point.step for point in model.trace_] == list(range(50))
    assert model.trace_[-1].objective < model.trace_[0].objective
    seconds = [point.seconds for point in model.trace_]
    assert seconds == sorted(seconds)
    assert model.n_iter_ == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [({"optimizer": "rmsprop"}, "optimizer must be"), ({"n_neurons": 0}, "n_neurons must be"),
     ({"n_steps": -1}, "n_steps must be"), ({"learning_rate": 0.0}, "learning_rate must be"),
     ({"batch_size": 0}, "batch_size must be"),
     ({"optimizer": "lbfgs", "batch_size": 8}, "batch_size must be None for L-BFGS")])
def test_bad_nonconvex_parameters_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        NonconvexReLURegressor(**options).fit(*bent(20))


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_neurons", 5), ("n_steps", 10), ("learning_rate", 1e-3), ("batch_size", 16),
     ("linear_skip", False), ("fit_intercept", False), ("random_state", 3)])
def test_every_nonconvex_parameter_changes_the_fit(name: str, value: Any) -> None:
    X, y = bent(60)
    plain = NonconvexReLURegressor(n_steps=30).fit(X, y).predict(X)
    options = {"n_steps": 30, name: value}
    assert not np.array_equal(NonconvexReLURegressor(**options).fit(X, y).predict(X), plain)


@pytest.fixture(scope="module")
def ecg_windows() -> Data:
    ecg = load_ecg().to_numpy()[20_000:20_240]
    return hankel((ecg - ecg.mean()) / ecg.std(), 8)


KIN = {"conv": (ConvexCNNRegressor, ConvReLUNetwork), "circular": (CircularCNNRegressor,
                                                                   CircularReLUNetwork)}


@pytest.mark.parametrize("architecture", KIN)
@pytest.mark.parametrize("skip", [False, True])
def test_the_kin_train_their_own_network_to_its_optimum(
    architecture: str, skip: bool, ecg_windows: Data
) -> None:
    X, y = ecg_windows
    regressor, network = KIN[architecture]
    model = regressor(beta_ratio=0.05, linear_skip=skip).fit(X, y)
    assert isinstance(model.network_, network)
    assert model.gap_ <= model.tol
    own = model.network_.objective(torch.tensor(X), torch.tensor(y), model.beta_)
    assert model.objective_ == pytest.approx(own, rel=1e-10)
    rivals = [NonconvexReLURegressor(
        "lbfgs", 30, architecture=architecture, beta=model.beta_, linear_skip=skip, n_steps=400,
        random_state=seed).fit(X, y) for seed in range(2)]
    assert all(isinstance(rival.network_, network) for rival in rivals)
    assert min(rival.objective_ for rival in rivals) >= model.objective_ * (1 - 2e-4)
    for rival in rivals:
        own = rival.network_.objective(torch.tensor(X), torch.tensor(y), rival.beta_)
        assert rival.objective_ == pytest.approx(own, rel=1e-10)
        assert rival.trace_[-1].objective == pytest.approx(own, rel=1e-3)


@pytest.mark.parametrize("architecture", KIN)
@pytest.mark.parametrize(
    "options", [{"activation": "gated_relu"}, {"patterns": "sampled", "n_patterns": 5},
                {"beta_ratio": 0.3}, {"skip_penalty": 50.0}, {"linear_skip": False}])
def test_the_kin_heed_their_options(
    architecture: str, options: dict[str, Any], ecg_windows: Data
) -> None:
    X, y = ecg_windows
    regressor, _ = KIN[architecture]
    plain = regressor(tol=1e-2).fit(X, y).predict(X)
    assert not np.array_equal(regressor(tol=1e-2, **options).fit(X, y).predict(X), plain)


def test_filters_have_the_size_and_stride_that_were_asked_for(ecg_windows: Data) -> None:
    X, y = ecg_windows
    model = ConvexCNNRegressor(3, stride=2, tol=1e-2, fit_intercept=False).fit(X, y)
    assert model.network_.filters.shape[1] == 3
    assert model.network_.convolution.stride == (2,)
    assert model.network_.convolution.bias is None
    assert ConvexCNNRegressor(tol=1e-2).fit(X, y).network_.filters.shape[1] == 5
    assert ConvexCNNRegressor(tol=1e-2).fit(X[:, :4], y).network_.filters.shape[1] == 4


@pytest.mark.parametrize("options", [{"filter_size": 9}, {"filter_size": 0}, {"filter_size": 2.5}])
def test_a_filter_that_cannot_be_is_refused(options: dict[str, Any], ecg_windows: Data) -> None:
    with pytest.raises(InvalidArgumentError, match="filter_size must be"):
        ConvexCNNRegressor(**options).fit(*ecg_windows)
    with pytest.raises(InvalidArgumentError, match="filter_size must be"):
        NonconvexReLURegressor(architecture="conv", **options).fit(*ecg_windows)


@pytest.mark.parametrize("stride", [0, -1, 1.5])
def test_a_stride_that_cannot_be_is_refused(stride: Any, ecg_windows: Data) -> None:
    with pytest.raises(InvalidArgumentError, match="stride must be"):
        ConvexCNNRegressor(3, stride).fit(*ecg_windows)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"architecture": "deep"}, "architecture must be"),
     ({"filter_size": 3}, "filter_size and stride must be left out"),
     ({"architecture": "circular", "fit_intercept": True}, "fit_intercept must be False")])
def test_architectures_that_contradict_themselves_are_refused(
    options: dict[str, Any], message: str, ecg_windows: Data
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        NonconvexReLURegressor(**options).fit(*ecg_windows)


@pytest.mark.parametrize("architecture", KIN)
@pytest.mark.parametrize("target", [0.0, 2.5])
def test_the_kin_predict_a_constant_target(
    architecture: str, target: float, ecg_windows: Data
) -> None:
    regressor, _ = KIN[architecture]
    model = regressor().fit(ecg_windows[0], np.full(len(ecg_windows[1]), target))
    np.testing.assert_allclose(model.predict(ecg_windows[0]), target, atol=1e-8)
    assert model.n_neurons_ == 0


@pytest.mark.parametrize(
    "model", [ConvexReLURegressor(patterns="exact", beta_ratio=0.1),
              ConvexCNNRegressor(2, 3, patterns="exact", beta_ratio=0.1),
              CircularCNNRegressor(patterns="exact", beta_ratio=0.1)])
def test_exact_patterns_are_proven_optimal_for_the_network(model: Any) -> None:
    X, y = bent(9)
    assert model.fit(X, y).certificate_.scope == "network"
    assert model.gap_ <= model.tol
    adaptive = type(model)(**{**model.get_params(), "patterns": "adaptive"}).fit(X, y)
    assert adaptive.objective_ == pytest.approx(model.objective_, rel=3e-4)


def test_exact_patterns_that_are_too_many_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="sample_patterns|low_rank_patterns"):
        ConvexReLURegressor(patterns="exact").fit(*bent(2000))


@pytest.mark.parametrize("scale", [1e-11, 1e-6, 1e6])
def test_tiny_and_huge_inputs_still_bend(scale: float) -> None:
    X, _ = bent(60)
    y = np.abs(X[:, 0])
    model = ConvexReLURegressor(beta_ratio=1e-3, tol=1e-3).fit(scale * X[:, :1], y)
    assert model.certificate_.scope == "network"
    assert model.beta_max_ > 0
    assert model.score(scale * X[:, :1], y) > 0.99


@pytest.mark.parametrize("bad", [1e160, 1e-160])
def test_magnitudes_that_cannot_be_squared_are_refused(bad: float) -> None:
    X, y = bent(20)
    with pytest.raises(InvalidArgumentError, match="y must be of magnitude"):
        ConvexReLURegressor().fit(X, bad * y)
    with pytest.raises(InvalidArgumentError, match="X must be of magnitude"):
        ConvexReLURegressor().fit(bad * X, y)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match="^device must be 'auto' or 'cpu'"):
        ConvexReLURegressor(device="cuda").fit(*bent(20))


def test_inputs_far_from_zero_are_told_to_be_centred() -> None:
    t = np.arange(100)
    X, y = hankel(1e6 + np.sin(t / 6) + 0.5 * np.abs(np.sin(t / 9)), 3)
    with pytest.warns(ConvergenceWarning, match="subtract the mean of X"):
        ConvexCNNRegressor(2, max_iter=2).fit(X, y)
