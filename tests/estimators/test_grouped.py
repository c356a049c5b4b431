"""A network of many groups: its objective, its certificate, and what groups have of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

from relu_forecast.estimators import ConvexReLURegressor, GroupedReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Dense
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.problem import Problem
from relu_forecast.problems.task import TrainingTask
from relu_forecast.storage import DamageError, decode, encode

RNG = np.random.default_rng(5)
N, G = 240, 6
X = RNG.standard_normal((N, 3))
GROUPS = RNG.integers(0, G, N) + 10
SLOPES = 0.5 * RNG.standard_normal((G, 3))
SIGNAL = np.abs(X[:, 0] - 0.3) + (SLOPES[GROUPS - 10] * X).sum(1)
Y = SIGNAL + 0.1 * RNG.standard_normal(N)
PAIR = np.stack([Y, 40 * np.maximum(X[:, 1], 0) + 8 * SLOPES[GROUPS - 10, 0]], axis=1)


def objective(model, targets):
    """Return the joint objective from the weights alone, in NumPy."""
    network, columns = model.network_, targets.reshape(N, -1)
    scale = np.ones(columns.shape[1])
    if network.target_scale is not None:
        scale = network.target_scale.numpy()
    hidden = [weight.detach().numpy() for weight in network.hidden_weights()]
    out = network.output_weight.detach().numpy().reshape(len(hidden[0]), -1)
    a = network.skip_weight.detach().numpy().reshape(3, -1)
    a0 = network.skip_bias.detach().numpy().reshape(-1)
    own = model.deviations_ / scale
    fitted = np.maximum(X @ hidden[0].T + hidden[1], 0) @ out + X @ a + a0
    fitted += np.einsum("nq,nqc->nc", np.c_[X, np.ones(N)], own[GROUPS - 10])
    weights = sum((part**2).sum() for part in hidden) + (out**2).sum()
    return (0.5 * ((columns / scale - fitted) ** 2).sum() + model.beta_ / 2 * weights
            + model.skip_penalty / 2 * (a**2).sum()
            + model.group_penalty_ / 2 * (own**2).sum())


@pytest.mark.parametrize("targets", [Y, PAIR], ids=["one", "two"])
def test_the_objective_is_that_of_all_parts_and_the_bound_is_below_it(targets):
    model = GroupedReLURegressor(0.05, skip_penalty=0.3, group_penalty=2.0, tol=1e-3)
    model.fit(X, targets, groups=GROUPS)
    np.testing.assert_allclose(model.objective_, objective(model, targets), rtol=1e-9)
    certificate = model.certificate_
    np.testing.assert_allclose(certificate.objective, model.objective_, rtol=1e-9)
    assert model.n_neurons_ > 0
    assert model.gap_ <= 1e-3
    assert certificate.dual_objective <= certificate.objective


def test_objective_and_bound_are_those_beside_a_dense_skip_with_the_columns_of_groups():
    model = GroupedReLURegressor(0.05, skip_penalty=2.0, group_penalty=2.0, tol=1e-3)
    model.fit(X, Y, groups=GROUPS)
    member = np.equal.outer(GROUPS, np.unique(GROUPS))
    own = (member[:, :, None] * np.c_[X, np.ones(N)][:, None, :]).reshape(N, -1)
    problem = Problem(Dense(True).features(torch.tensor(X)), torch.tensor(Y)[:, None],
                      model.beta_, LinearSkip.of(torch.tensor(np.hstack([X, own])), 2.0))
    neurons = model.warm_start_.neurons
    np.testing.assert_allclose(problem.objective_of(neurons), model.objective_, rtol=1e-9)
    certificate = problem.certify(
        "network-estimated", problem.left_of(neurons), neurons.blocks,
        model.certificate_.violation)
    np.testing.assert_allclose(
        certificate.dual_objective, model.certificate_.dual_objective, rtol=1e-3)


def test_the_ridge_of_least_leave_one_out_error_is_taken():
    chosen = GroupedReLURegressor(1.5).fit(X, Y, groups=GROUPS).group_penalty_
    common = RNG.standard_normal((N, 3)) @ [1.0, 2.0, 3.0] + RNG.standard_normal(N)
    assert 0.1 <= chosen < 100
    shuffled = GroupedReLURegressor(1.5).fit(X, common, groups=GROUPS).group_penalty_
    assert shuffled > 10 * chosen


def test_leave_one_out_errors_are_those_of_fits_without_the_sample():
    task = TrainingTask.checked(X, Y, Dense(True), "relu", True, 0.5)
    codes = torch.as_tensor(GROUPS - 10)
    task = replace(task, groups=codes, group_penalty=3.0)
    errors = task.skip.annihilate(task.targets)[:, 0] / task.skip.kept_shares
    kept = torch.arange(1, N)
    without = replace(task, X=task.X[kept], targets=task.targets[kept], groups=codes[kept])
    weight, bias = without.skip.fit(without.targets)
    left = without.targets - without.X @ weight - bias
    own = without.skip.deviations(left)[codes[0]]
    expected = task.targets[0] - task.X[0] @ weight - bias - torch.cat(
        [task.X[0], torch.ones(1, dtype=torch.float64)]) @ own
    torch.testing.assert_close(errors[:1], expected)


def test_groups_have_what_they_have_and_others_the_common_part():
    model = GroupedReLURegressor(0.02, group_penalty=0.5, tol=1e-2).fit(X, Y, groups=GROUPS)
    plain = ConvexReLURegressor(beta_ratio=0.02, tol=1e-2).fit(X, Y)
    error = np.abs(model.predict(X, groups=GROUPS) - SIGNAL).mean()
    assert error < 0.3 * np.abs(plain.predict(X) - SIGNAL).mean()
    np.testing.assert_array_equal(
        model.predict(X, groups=np.full(N, 99)), model.predict(X))
    some = np.where(np.arange(N) % 2, GROUPS, 99)
    mixed = model.predict(X, groups=some)
    np.testing.assert_allclose(mixed[1::2], model.predict(X, groups=GROUPS)[1::2])
    np.testing.assert_allclose(mixed[::2], model.predict(X)[::2])


def test_the_order_of_samples_and_the_labels_of_groups_do_not_matter():
    order = RNG.permutation(N)
    options = {"beta_ratio": 0.05, "group_penalty": 1.0, "tol": 1e-3}
    first = GroupedReLURegressor(**options).fit(X, Y, groups=GROUPS)
    other = GroupedReLURegressor(**options).fit(X[order], Y[order], groups=-GROUPS[order])
    np.testing.assert_allclose(first.objective_, other.objective_, rtol=1e-3)
    assert other.groups_.tolist() == sorted(-first.groups_)


def test_a_fit_can_start_from_another():
    model = GroupedReLURegressor(0.05, group_penalty=1.0, tol=1e-3).fit(X, Y, groups=GROUPS)
    again = clone(model).fit(X, Y, groups=GROUPS, warm_start=model.warm_start_)
    np.testing.assert_allclose(again.objective_, model.objective_, rtol=2e-3)


def test_it_is_kept_as_data_and_damage_is_refused():
    model = GroupedReLURegressor(0.1, group_penalty=1.0).fit(X, PAIR, groups=GROUPS)
    loaded = decode(*encode(model))
    np.testing.assert_array_equal(
        loaded.predict(X, groups=GROUPS), model.predict(X, groups=GROUPS))
    for name, value in [("deviations_", model.deviations_[1:]), ("group_penalty_", -1.0),
                        ("groups_", model.groups_[::-1].copy()),
                        ("deviations_", model.deviations_[:, :, :1])]:
        damaged = decode(*encode(model))
        setattr(damaged, name, value)
        with pytest.raises(DamageError):
            decode(*encode(damaged))


@pytest.mark.parametrize("groups", [GROUPS[1:], GROUPS / 2, GROUPS.astype(str)])
def test_groups_must_be_whole_numbers_one_a_sample(groups):
    with pytest.raises(InvalidArgumentError, match="groups"):
        GroupedReLURegressor().fit(X, Y, groups=groups)


def test_the_ridge_must_be_above_0():
    with pytest.raises(InvalidArgumentError, match="group_penalty"):
        GroupedReLURegressor(group_penalty=0.0).fit(X, Y, groups=GROUPS)


def test_ridges_that_are_lost_in_the_rounding_of_large_samples_are_refused():
    pairs = np.arange(N) // 2
    with pytest.raises(InvalidArgumentError, match=r"group_penalty must be above the rounding"):
        GroupedReLURegressor(0.1, group_penalty=1.0).fit(1e10 * X, Y, groups=pairs)
    with pytest.raises(InvalidArgumentError, match=r"Divide each column of X by its size"):
        GroupedReLURegressor(0.1).fit(1e13 * X, Y, groups=pairs)
    chosen = GroupedReLURegressor(0.3).fit(1e8 * X, Y, groups=pairs).group_penalty_
    assert chosen > 0.1
