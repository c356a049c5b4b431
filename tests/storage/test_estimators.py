"""Regressors of scikit-learn come back bit by bit; hostile ones are refused and run nothing."""

import io
import json
import os
import warnings
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVR
from sklearn.utils import all_estimators

from relu_forecast.exceptions import InvalidTypeError
from relu_forecast.storage import DamageError, check_storable, decode, encode

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 6))
Y = X @ [1.0, -2.0, 0.5, 0.0, 1.0, 1.0] + 0.1 * RNG.normal(size=30)
QUICK = {"n_estimators": 3, "max_iter": 6, "n_neighbors": 3}
WITH_PARTS = {
    "MultiOutputRegressor": {"estimator": Ridge()}, "RegressorChain": {"estimator": Ridge()},
    "StackingRegressor": {"estimators": [("a", Ridge()), ("b", KNeighborsRegressor())], "cv": 2},
    "VotingRegressor": {"estimators": [("a", Ridge()), ("b", SVR())]}}


def regressors():
    """Every public regressor of scikit-learn, as quick as it gets."""
    for name, kind in all_estimators(type_filter="regressor"):
        if name == "PassiveAggressiveRegressor":  # deprecated
            continue
        made = kind(**WITH_PARTS.get(name, {}))
        yield made.set_params(**{key: value for key, value in QUICK.items()
                                 if key in made.get_params(deep=False)})


def fitted(regressor):
    """Fit, to targets of the form and sign that the regressor takes."""
    data = [(X, Y), (X, np.c_[Y, Y]), (X, np.abs(Y) + 1), (X[:, :1], Y), (X, np.c_[Y, Y, -Y])]
    for features, targets in data:
        try:
            return regressor.fit(features, targets), features
        except (ValueError, IndexError) as error:
            refusal = error
    raise refusal


@pytest.mark.filterwarnings("ignore")
def test_every_regressor_of_scikit_learn_comes_back():
    names = []
    for regressor in regressors():
        check_storable(regressor)
        regressor, features = fitted(regressor)
        again = decode(*encode(regressor))
        assert type(again) is type(regressor)
        new = features.copy()  # products of an array with itself round in another way
        np.testing.assert_array_equal(again.predict(new), regressor.predict(new))
        names.append(type(regressor).__name__)
    assert len(names) > 50


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("regressor", [
    make_pipeline(StandardScaler(), PolynomialFeatures(2), RandomForestRegressor(3)),
    make_pipeline(FunctionTransformer(np.tanh), MLPRegressor(hidden_layer_sizes=5, max_iter=20)),
    GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [2, 3]}, cv=TimeSeriesSplit(2)),
    HistGradientBoostingRegressor(max_iter=5, random_state=np.random.RandomState(0)),
    KNeighborsRegressor(3, algorithm="ball_tree", p=3), RidgeCV([0.1, 1.0]),
    LassoCV(cv=TimeSeriesSplit(2), alphas=[0.1, 1.0]), GaussianProcessRegressor(),
], ids=lambda each: type(each).__name__)
def test_regressors_of_parts_come_back(regressor):
    regressor.fit(X, Y)
    again = decode(*encode(regressor))
    np.testing.assert_array_equal(again.predict(X), regressor.predict(X))


def test_linear_regressors_are_plain():
    document, tensors = encode(LinearRegression().fit(X, Y))
    assert document["class"] == "sklearn.linear_model.LinearRegression"
    assert document["parameters"] == {}
    assert set(tensors) == {"fitted/coef_"}


@pytest.mark.parametrize(("part", "named"), [
    (FunctionTransformer(lambda X: X), "lambda"), (FunctionTransformer(np.nan_to_num), "nan_to_n"),
    (FunctionTransformer(os.path.join), "join"), (FunctionTransformer(io.BytesIO), "BytesIO")])
def test_functions_are_refused(part, named):
    with pytest.raises(InvalidTypeError, match=named):
        check_storable(make_pipeline(part, Ridge()))


def dumps(value):
    """The bytes of a skops file, which takes a second to import."""
    import skops.io

    return skops.io.dumps(value)


def kept(content):
    """The form in which the bytes of a skops file are kept."""
    return {"scikit-learn": "C"}, {"scikit-learn": np.frombuffer(content, dtype=np.uint8)}


def rewritten(content, change, compression=zipfile.ZIP_STORED):
    """A skops file with another schema."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, (
            zipfile.ZipFile(target, "w", compression)) as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(text))) if name == "schema.json"
                         else text)
    return target.getvalue()


def json_node(value):
    """How skops writes what JSON has."""
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
            "content": json.dumps(value), "is_json": True, "__id__": 7}


def trap(folder):
    """Schemas that would make a folder, or come near to it, if anything of them ran."""
    argument = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode",
                "content": [json_node(str(folder))], "__id__": 1}
    empty = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode",
             "content": {}, "key_types": {"__class__": "list", "__module__": "builtins",
                                          "__loader__": "ListNode", "content": [], "__id__": 5},
             "__id__": 4}
    mkdir = {"__class__": "mkdir", "__module__": "os", "__loader__": "FunctionNode", "__id__": 2}
    yield mkdir
    yield {**mkdir, "__loader__": "TypeNode"}
    yield {**mkdir, "__loader__": "ConstructorFromReduceNode", "content": argument}
    yield {**mkdir, "__loader__": "ObjectNode", "content": empty}
    yield {**mkdir, "__loader__": "LossNode", "__reduce__": {"args": argument}, "content": empty}
    yield {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
           "content": {"func": mkdir, "args": argument, "kwds": empty, "namespace": empty},
           "__id__": 3}
    yield {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode",
           "attrs": argument, "__id__": 3}
    yield {**mkdir, "__loader__": "NoSuchNode"}


@pytest.mark.parametrize("which", range(8))
def test_hostile_schemas_run_nothing(which, tmp_path):
    content = dumps(make_pipeline(StandardScaler(), SVR()).fit(X, Y))
    node = list(trap(tmp_path / "sprung"))[which]

    def change(schema):
        schema["content"]["content"]["memory"] = node
        return schema

    for hostile in (change, lambda schema: {**schema, **node}):
        with pytest.raises(DamageError, match="scikit-learn is"):
            decode(*kept(rewritten(content, hostile)))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("content", "match"), [
    (lambda: b"PK", "of no use"), (lambda: dumps([1, 2]), "not an estimator"),
    (lambda: rewritten(dumps(SVR()), lambda schema: {**schema, "protocol": 99}), "of no use"),
    (lambda: rewritten(dumps(SVR()), dict, zipfile.ZIP_DEFLATED), "compressed"),
    (lambda: rewritten(dumps(SVR()), lambda schema: []), "of no use"),
], ids=["short", "list", "protocol", "compressed", "schema"])
def test_what_is_no_estimator_is_refused(content, match):
    with pytest.raises(DamageError, match=match):
        decode(*kept(content()))


def with_nodes(name, value):
    """A forest one of whose trees has another entry in its first node."""
    forest = RandomForestRegressor(2, random_state=0).fit(X, Y)
    tree = forest.estimators_[0].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][name][0] = value
    tree.__setstate__(state)
    return forest


def with_predictor(name, value):
    """Boosted trees, the first of which has another entry in its first node."""
    trees = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5).fit(X, Y)
    trees._predictors[0][0].nodes[name][0] = value
    return trees


@pytest.mark.parametrize(("make", "where", "value"), [
    (with_nodes, "left_child", 0), (with_nodes, "right_child", 10**6), (with_nodes, "feature", 6),
    (with_nodes, "feature", -1), (with_predictor, "left", 0), (with_predictor, "right", 10**6),
    (with_predictor, "feature_idx", 6), (with_predictor, "is_categorical", 1),
    (HistGradientBoostingRegressor(max_iter=2), "is_categorical_", np.ones(6, bool)),
    (RandomForestRegressor(2), "n_features_in_", 5), (SVR(), "dual_coef_", np.ones((1, 2))),
    (SVR(), "support_vectors_", np.ones((30, 5))),
    (KNeighborsRegressor(), "_fit_X", np.ones((30, 5)))])
def test_indices_that_lead_astray_are_refused(make, where, value):
    """Compiled code would follow them out of its arrays."""
    if callable(make):
        estimator = make(where, value)
    else:
        estimator = make.fit(X, Y)
        setattr(estimator, where, value)
    for hostile in (estimator, make_pipeline(estimator)):
        with pytest.raises(DamageError, match="scikit-learn is of no use"):
            decode(*kept(dumps(hostile)))


def test_search_trees_are_built_anew():
    regressor = KNeighborsRegressor(2, algorithm="kd_tree").fit(X, Y)
    expected = regressor.predict(X)
    regressor._tree = KNeighborsRegressor(2, algorithm="kd_tree").fit(X[::-1], Y)._tree
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(decode(*encode(regressor)).predict(X), expected)
