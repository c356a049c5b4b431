"""Our regressors in the workflows that people build with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import (
    GridSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from relu_forecast import (
    CircularCNNRegressor,
    ConvexCNNRegressor,
    ConvexReLURegressor,
    hankel,
    load_ecg,
)

REGRESSORS = [
    ConvexReLURegressor(beta_ratio=0.3, tol=0.05, random_state=0),
    ConvexCNNRegressor(filter_size=3, beta_ratio=0.3, tol=0.05, random_state=0),
    CircularCNNRegressor(beta_ratio=0.3, tol=0.05, random_state=0),
]
SPLIT = TimeSeriesSplit(n_splits=2, test_size=15)


@pytest.fixture(scope="module")
def windows():
    """Windows of five samples of an electrocardiogram, and the samples after them."""
    return hankel(load_ecg().to_numpy()[20_000:20_075], 5)


@pytest.fixture(params=REGRESSORS, ids=lambda regressor: type(regressor).__name__)
def regressor(request):
    return clone(request.param)


def test_a_pipeline_is_its_scaler_and_its_network(windows, regressor):
    X, y = windows
    pipeline = make_pipeline(StandardScaler(), clone(regressor)).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_array_equal(
        pipeline.predict(X), clone(regressor).fit(scaled, y).predict(scaled))


def test_a_grid_search_finds_what_a_loop_finds(windows):
    X, y = windows
    pipeline = make_pipeline(StandardScaler(), REGRESSORS[0])
    ratios = [0.9, 0.2]
    search = GridSearchCV(
        pipeline, {"convexreluregressor__beta_ratio": ratios}, cv=SPLIT).fit(X, y)
    scores = []
    for ratio in ratios:
        model = clone(pipeline).set_params(convexreluregressor__beta_ratio=ratio)
        scores.append(np.mean([
            clone(model).fit(X[past], y[past]).score(X[next_], y[next_])
            for past, next_ in SPLIT.split(X)]))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], scores, rtol=1e-12)
    assert search.best_params_ == {
        "convexreluregressor__beta_ratio": ratios[int(np.argmax(scores))]}
    assert search.best_estimator_[-1].certificate_.gap <= 0.05


@pytest.mark.long
def test_workers_find_what_one_process_finds(windows):
    X, y = windows
    alone = cross_val_score(REGRESSORS[0], X, y, cv=SPLIT)
    together = cross_val_score(REGRESSORS[0], X, y, cv=SPLIT, n_jobs=2)
    np.testing.assert_array_equal(alone, together)


def test_a_clone_is_unfitted_and_learns_the_same(windows, regressor):
    X, y = windows
    fitted = regressor.fit(X, y)
    copied = clone(fitted)
    assert not hasattr(copied, "network_")
    np.testing.assert_array_equal(copied.fit(X, y).predict(X), fitted.predict(X))


def test_a_bag_is_the_mean_of_networks_of_weighted_samples(windows, regressor):
    X, y = windows
    bag = BaggingRegressor(
        regressor, n_estimators=2, max_samples=0.5, max_features=0.8, random_state=0).fit(X, y)
    parts = [
        clone(member).fit(X[:, features], y, sample_weight=np.bincount(rows, minlength=len(X)))
        .predict(X[:, features])
        for member, rows, features in zip(
            bag.estimators_, bag.estimators_samples_, bag.estimators_features_, strict=True)]
    np.testing.assert_allclose(bag.predict(X), np.mean(parts, axis=0), rtol=1e-12)


def test_more_samples_are_learnt_from():
    X, y = hankel(load_ecg().to_numpy()[20_000:20_105], 5)
    split = TimeSeriesSplit(n_splits=2, test_size=20)
    sizes, _, scores = learning_curve(
        REGRESSORS[0], X, y, cv=split, train_sizes=[10, 60], scoring="neg_root_mean_squared_error")
    assert sizes.tolist() == [10, 60]
    assert scores[1].mean() > scores[0].mean()


def test_every_row_is_predicted_once(windows, regressor):
    X, y = windows
    predicted = cross_val_predict(regressor, X, y, cv=2)
    first = len(X) // 2
    np.testing.assert_array_equal(
        predicted[:first], clone(regressor).fit(X[first:], y[first:]).predict(X[:first]))


def test_several_targets_are_networks_side_by_side():
    X, Y = hankel(load_ecg().to_numpy()[20_000:20_080], 4, 2)
    network = clone(REGRESSORS[0])
    together = MultiOutputRegressor(network).fit(X, Y).predict(X)
    for step in range(2):
        np.testing.assert_array_equal(
            together[:, step], clone(network).fit(X, Y[:, step]).predict(X))


def test_targets_are_scaled_on_the_way(windows):
    X, y = windows
    wrapped = TransformedTargetRegressor(clone(REGRESSORS[0]), transformer=StandardScaler())
    scaled = clone(REGRESSORS[0]).fit(X, (y - y.mean()) / y.std())
    np.testing.assert_allclose(
        wrapped.fit(X, y).predict(X), scaled.predict(X) * y.std() + y.mean(), rtol=1e-9)
