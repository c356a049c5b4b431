"""Regressors of scikit-learn: linear ones field by field, all others in the format of skops.

skops builds objects of the types that it is told to trust and of no others, and runs no code of a
file. Some estimators predict in compiled code that follows indices without looking at them; their
indices are checked here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import TimeSeriesSplit

from relu_forecast.storage import encoding
from relu_forecast.storage.arrays import Array
from relu_forecast.storage.declarations import estimator_declaration
from relu_forecast.storage.encoding import Json, Kind, Place
from relu_forecast.storage.values import VALUE, Declaration, declare

TRUSTED = frozenset({
    *(f"sklearn._loss.loss.HalfTweedieLoss{name}" for name in ("", "Identity")),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    *(f"sklearn.gaussian_process.kernels.{name}" for name in (
        "CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation",
        "Matern", "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel")),
    *(f"sklearn.metrics._dist_metrics.{name}Distance64" for name in (
        "Chebyshev", "Euclidean", "Manhattan", "Minkowski")),
    *(f"sklearn.model_selection._split.{name}" for name in ("KFold", "TimeSeriesSplit")),
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    *(f"sklearn.neural_network._stochastic_optimizers.{name}Optimizer"
      for name in ("Adam", "SGD")),
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
})
"""Types of scikit-learn that a regressor may be made of, beyond those that skops trusts itself:
all public estimators, arrays, ufuncs and generators of random numbers."""


@dataclass(frozen=True)
class ScikitLearn:
    """An estimator of scikit-learn, or a pipeline of some, as the bytes of a skops file."""

    def encode(self, value: BaseEstimator, place: Place) -> Json:
        """Return the order of the bytes, which are a tensor; refuse types without trust."""
        # skops imports all of scikit-learn, which takes a second.
        from skops.io import dumps

        try:
            content = dumps(value)
            unknown = _untrusted(content)
        except Exception as error:
            raise place.refusal(value, f"{type(value).__name__} ({error})"[:300]) from error
        if unknown:
            raise place.refusal(value, f"{', '.join(unknown)} in a {type(value).__name__}")
        return _BYTES.encode(np.frombuffer(content, dtype=np.uint8), place)

    def decode(self, node: Json, place: Place) -> Any:
        """Return the estimator."""
        from skops.io import loads

        content = _BYTES.decode(node, place).tobytes()
        with place.blamed():
            unknown = _untrusted(content)
            place.require(not unknown, "an estimator of trusted types", ", ".join(unknown))
            estimator = loads(content, trusted=sorted(TRUSTED))
            place.require(isinstance(estimator, BaseEstimator), "an estimator", type(estimator))
            for part in _estimators(estimator, set()):
                _check(part)
        return estimator


_BYTES = Array(dtypes=("uint8",))


def _untrusted(content: bytes) -> list[str]:
    """Return the types in a skops file that are not trusted; refuse what would grow on reading."""
    from skops.io import get_untrusted_types

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
            raise ValueError("the estimator is compressed, which none that was saved is")
    return [name for name in get_untrusted_types(data=content) if name not in TRUSTED]


def _estimators(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an estimator and all estimators within it, each once."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        value = list(vars(value).values())
    elif isinstance(value, dict):
        value = list(value.values())
    elif isinstance(value, np.ndarray) and value.dtype == object:
        value = value.ravel().tolist()
    if isinstance(value, list | tuple):
        for part in value:
            yield from _estimators(part, seen)


def _check(estimator: Any) -> None:
    """Refuse indices that compiled code would follow out of its arrays, or in circles."""
    width = getattr(estimator, "n_features_in_", 0)
    if hasattr(estimator, "tree_"):
        tree = estimator.tree_
        _require(0 < tree.node_count <= tree.capacity, "the nodes of a tree are missing")
        _check_nodes(tree.children_left, tree.children_right, tree.feature,
                     tree.children_left == -1, min(width, tree.n_features))
    for predictor in chain.from_iterable(getattr(estimator, "_predictors", [])):
        nodes = predictor.nodes
        _require(len(nodes) > 0, "the nodes of a tree are missing")
        _require(not nodes["is_categorical"].any(), "a tree has categories")
        _check_nodes(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64),
                     nodes["feature_idx"], nodes["is_leaf"] != 0, width)
    if hasattr(estimator, "_predictors"):
        _require(estimator.is_categorical_ is None, "a tree has categories")
    if not hasattr(estimator, "estimators_features_") and not hasattr(estimator, "order_"):
        for tree in np.ravel(getattr(estimator, "estimators_", [])):
            if hasattr(tree, "tree_"):
                _require(tree.n_features_in_ == width, "a tree has other features")
    if hasattr(estimator, "_fit_X"):
        _rebuild_neighbours(estimator, width)
    if hasattr(estimator, "support_vectors_"):
        vectors = estimator.support_vectors_
        _require(vectors.shape[1:] == (width,) and estimator.dual_coef_.shape == (1, len(vectors))
                 and estimator._dual_coef_.shape == (1, len(vectors))
                 and estimator.support_.shape == (len(vectors),), "support vectors do not fit")


def _check_nodes(
    left: npt.NDArray[Any], right: npt.NDArray[Any], feature: npt.NDArray[Any],
    leaf: npt.NDArray[np.bool_], width: int
) -> None:
    """Refuse a tree whose nodes do not lead to later ones, or ask for features there are not."""
    inner = np.flatnonzero(~leaf)
    for children in (left[inner], right[inner]):
        _require(bool(((children > inner) & (children < len(leaf))).all()), "a tree has a circle")
    _require(bool(((feature[inner] >= 0) & (feature[inner] < width)).all()),
             "a tree has other features")


def _rebuild_neighbours(estimator: Any, width: int) -> None:
    """Build the search tree of nearest neighbours anew from the samples."""
    samples = estimator._fit_X
    _require(isinstance(samples, np.ndarray) and samples.shape[1:] == (width,),
             "the samples have other features")
    if estimator._tree is not None:
        estimator._tree = type(estimator._tree)(
            samples, estimator.leaf_size, metric=estimator.effective_metric_,
            **estimator.effective_metric_params_)


def _require(condition: bool, otherwise: str) -> None:
    """Refuse an estimator."""
    if not condition:
        raise ValueError(otherwise)


_LINEAR: Mapping[str, Kind] = {
    "n_features_in_": encoding.COUNT, "coef_": Array((1, 2)), "intercept_": VALUE}
_SPLIT = ("n_splits", "max_train_size", "test_size", "gap")
for _kept in (LinearRegression, Ridge, Lasso, RidgeCV, LassoCV):
    _fitted = {**_LINEAR, "alpha_": encoding.NUMBER} if _kept.__name__.endswith("CV") else _LINEAR
    declare(_kept, estimator_declaration(_kept, _fitted, changed=True),
            f"sklearn.linear_model.{_kept.__name__}")
declare(TimeSeriesSplit, Declaration(
    lambda: dict.fromkeys(_SPLIT, encoding.Maybe(encoding.COUNT)),
    lambda split: {name: getattr(split, name) for name in _SPLIT},
    lambda kind, values: kind(**values)), "sklearn.model_selection.TimeSeriesSplit")
VALUE.forms["scikit-learn"] = BaseEstimator, ScikitLearn()
