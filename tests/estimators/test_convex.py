from __future__ import annotations

import inspect
import pickle
import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from relu_forecast.datasets import load_ecg
from relu_forecast.estimators import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    NonconvexReLURegressor,
)
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Convolution, Dense
from relu_forecast.networks.modules import CircularReLUNetwork, ConvReLUNetwork
from relu_forecast.patterns.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.training.settings import (
    PricingSettings,
    RoundSettings,
    SearchSettings,
    TrainingSettings,
)
from relu_forecast.windows.sliding import hankel
from tests.estimators.samples import Data, bent


@pytest.fixture(scope="module")
def fitted() -> ConvexReLURegressor:
    return ConvexReLURegressor().fit(*bent(120))


def test_fits_bends_that_a_line_cannot(fitted: ConvexReLURegressor) -> None:
    X, y = bent(120, seed=1)
    assert fitted.score(X, y) > 0.95
    assert LinearRegression().fit(*bent(120)).score(X, y) < 0.7


def test_attributes_tell_of_the_network(fitted: ConvexReLURegressor) -> None:
    X, y = (torch.as_tensor(part) for part in bent(120))
    own = fitted.network_.objective(X, y, fitted.beta_)
    assert fitted.objective_ == pytest.approx(own, rel=1e-10)
    assert fitted.certificate_.objective == pytest.approx(own, rel=1e-9)
    assert fitted.gap_ == fitted.certificate_.gap <= fitted.tol
    assert fitted.n_neurons_ == fitted.network_.n_neurons >= 2
    assert fitted.beta_ == pytest.approx(0.03 * fitted.beta_max_)
    assert "estimated" in str(fitted.certificate_)


def test_more_penalty_needs_fewer_neurons() -> None:
    counts = [ConvexReLURegressor(beta_ratio=ratio, tol=1e-3).fit(*bent(60)).n_neurons_
              for ratio in (0.01, 0.3, 1.1)]
    assert counts[0] >= counts[1] >= counts[2] == 0


def test_without_neurons_it_is_linear_regression() -> None:
    X, y = bent(120)
    model = ConvexReLURegressor(beta_ratio=1.1).fit(X, y)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, y).predict(X))


@pytest.fixture(scope="module")
def rough() -> ConvexReLURegressor:
    return ConvexReLURegressor(tol=1e-3).fit(*bent(60))


@pytest.mark.parametrize(
    ("name", "value"),
    [("linear_skip", False), ("skip_penalty", 100.0), ("fit_intercept", False),
     ("activation", "gated_relu"), ("patterns", "sampled"), ("beta_ratio", 0.2),
     ("dtype", "float32"), ("random_state", 5), ("architecture", Dense()),
     ("settings", TrainingSettings(search=SearchSettings(newton_steps=1)))])
def test_every_parameter_changes_the_fit(
    rough: ConvexReLURegressor, name: str, value: Any
) -> None:
    X, y = bent(60)
    other = clone(rough).set_params(**{name: value}).fit(X, y)
    assert not np.array_equal(other.predict(X), rough.predict(X))


def test_an_architecture_of_its_own_is_trained_and_kept_by_clones() -> None:
    X, y = bent(60)
    own = ConvexReLURegressor(architecture=Convolution(2), tol=1e-3)
    model = clone(own).fit(X, y)
    assert model.architecture == Convolution(2)
    assert isinstance(model.network_, ConvReLUNetwork)
    same = ConvexCNNRegressor(2, fit_intercept=False, tol=1e-3).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), same.predict(X))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


@pytest.mark.parametrize("wrong", ["dense", Dense, 3])
def test_what_is_no_architecture_is_refused(
    wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchecked = inspect.unwrap(ConvexReLURegressor._architecture)
    monkeypatch.setattr(ConvexReLURegressor, "_architecture", unchecked)
    with pytest.raises(InvalidTypeError, match="^architecture must be of type Architecture"):
        ConvexReLURegressor(architecture=wrong).fit(*bent(20))


def test_an_architecture_that_does_not_take_windows_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^X must be"):
        ConvexReLURegressor(architecture=Convolution(None)).fit(*bent(20))


SETTINGS = TrainingSettings(rounds=RoundSettings(kept_linear_ends=2, kept_ends=3),
                            pricing=PricingSettings(finished=30))


@pytest.mark.parametrize("regressor", [ConvexReLURegressor, ConvexCNNRegressor,
                                       CircularCNNRegressor])
def test_tuning_constants_are_used_and_kept_by_clones(regressor: Any) -> None:
    X, y = bent(40)
    usual = regressor(tol=1e-2, beta_ratio=0.1).fit(X, y)
    model = clone(regressor(tol=1e-2, beta_ratio=0.1, settings=SETTINGS)).fit(X, y)
    assert model.settings == SETTINGS
    assert model.gap_ <= 1e-2
    assert len(model.warm_start_.linear_ends) <= 2 < len(usual.warm_start_.linear_ends)
    assert len(model.warm_start_.ends) <= 3 < len(usual.warm_start_.ends)
    default = regressor(tol=1e-2, beta_ratio=0.1, settings=TrainingSettings()).fit(X, y)
    np.testing.assert_array_equal(default.predict(X), usual.predict(X))


@pytest.mark.parametrize("regressor", [ConvexReLURegressor, ConvexCNNRegressor,
                                       CircularCNNRegressor])
@pytest.mark.parametrize("wrong", [{"search": {}}, SearchSettings(), TrainingSettings, "fast"])
def test_what_are_no_tuning_constants_is_refused(regressor: Any, wrong: Any) -> None:
    with pytest.raises(InvalidTypeError, match="^settings must be TrainingSettings or None"):
        regressor().set_params(settings=wrong).fit(*bent(20))


def test_n_patterns_bounds_the_sampled_program() -> None:
    X, y = bent(60)
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
    X, y = bent(60)
    free = ConvexReLURegressor(tol=1e-3).fit(X, y)
    held = ConvexReLURegressor(skip_penalty=1e4, tol=1e-3).fit(X, y)
    assert held.network_.skip_weight.norm() < 0.2 * free.network_.skip_weight.norm()


def test_unfinished_training_warns_with_its_gap() -> None:
    X, y = bent(120)
    with pytest.warns(ConvergenceWarning, match=r"relative gap .* > tol=1.0e-15"):
        model = ConvexReLURegressor(tol=1e-15, max_iter=1).fit(X, y)
    assert model.n_iter_ == 1
    assert model.gap_ > 1e-15


def test_verbose_prints_what_each_round_reaches(capsys: pytest.CaptureFixture[str]) -> None:
    model = ConvexReLURegressor(verbose=1, tol=1e-3).fit(*bent(60))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= model.n_iter_ + 1
    values = [float(re.search(r"objective (\S+),", line)[1]) for line in lines]
    assert values == sorted(values, reverse=True)
    assert lines[-1].startswith(f"{model.n_neurons_} neurons: objective")
    assert re.match(r"round 1: objective .* estimated", lines[0])


def test_same_answer_every_time_and_for_any_thread_count() -> None:
    ecg = load_ecg().to_numpy()[:400]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 6)
    before = torch.get_num_threads()
    predictions = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            predictions.append(ConvexReLURegressor(tol=1e-2).fit(X, y).predict(X))
    torch.set_num_threads(before)
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=1e-9)


def test_scale_of_target_and_inputs_does_not_matter() -> None:
    X, y = bent(60)
    plain = ConvexReLURegressor(tol=1e-3, fit_intercept=False).fit(X, y)
    scaled = ConvexReLURegressor(tol=1e-3, fit_intercept=False).fit(1e3 * X, 1e-4 * y)
    np.testing.assert_allclose(1e4 * scaled.predict(1e3 * X), plain.predict(X), atol=0.02)


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


@pytest.fixture(scope="module")
def ecg_windows() -> Data:
    ecg = load_ecg().to_numpy()[20_000:20_120]
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
    model = regressor(beta_ratio=0.1, linear_skip=skip).fit(X, y)
    assert isinstance(model.network_, network)
    assert model.gap_ <= model.tol
    own = model.network_.objective(torch.tensor(X), torch.tensor(y), model.beta_)
    assert model.objective_ == pytest.approx(own, rel=1e-10)
    rivals = [NonconvexReLURegressor(
        "lbfgs", 30, architecture=architecture, beta=model.beta_, linear_skip=skip, n_steps=300,
        random_state=seed).fit(X, y) for seed in range(2)]
    assert all(isinstance(rival.network_, network) for rival in rivals)
    assert min(rival.objective_ for rival in rivals) >= model.objective_ * (1 - 2e-4)
    for rival in rivals:
        own = rival.network_.objective(torch.tensor(X), torch.tensor(y), rival.beta_)
        assert rival.objective_ == pytest.approx(own, rel=1e-10)
        assert rival.trace_[-1].objective == pytest.approx(own, rel=1e-3)


@pytest.fixture(scope="module", params=KIN)
def kin(request: pytest.FixtureRequest, ecg_windows: Data) -> Any:
    """A network of each kind with default options, trained roughly."""
    return KIN[request.param][0](tol=1e-2, beta_ratio=0.1).fit(*ecg_windows)


@pytest.mark.parametrize(
    "options", [{"activation": "gated_relu"}, {"patterns": "sampled", "n_patterns": 5},
                {"beta_ratio": 0.3}, {"skip_penalty": 50.0}, {"linear_skip": False}])
def test_the_kin_heed_their_options(kin: Any, options: dict[str, Any], ecg_windows: Data) -> None:
    X, y = ecg_windows
    other = clone(kin).set_params(**options).fit(X, y)
    assert not np.array_equal(other.predict(X), kin.predict(X))


def test_filters_have_the_size_and_stride_that_were_asked_for(ecg_windows: Data) -> None:
    X, y = ecg_windows
    model = ConvexCNNRegressor(3, stride=2, tol=0.1, beta_ratio=0.5, fit_intercept=False).fit(X, y)
    assert model.network_.filters.shape[1] == 3
    assert model.network_.convolution.stride == (2,)
    assert model.network_.convolution.bias is None
    for width, size in ((8, 5), (4, 4)):
        other = ConvexCNNRegressor(tol=0.1, beta_ratio=0.5).fit(X[:, :width], y)
        assert other.network_.filters.shape[1] == size


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


def test_inputs_far_from_zero_are_told_to_be_centred() -> None:
    t = np.arange(100)
    X, y = hankel(1e6 + np.sin(t / 6) + 0.5 * np.abs(np.sin(t / 9)), 3)
    with pytest.warns(ConvergenceWarning, match="subtract the mean of X"):
        ConvexCNNRegressor(2, max_iter=2).fit(X, y)
