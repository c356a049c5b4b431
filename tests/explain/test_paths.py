"""Neurons along a path: they enter, keep their number and grow."""

from __future__ import annotations

import numpy as np

from relu_forecast import explain, regularization_path

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((200, 3))
PATH = regularization_path(
    X, 3 * np.maximum(X[:, 0], 0) + np.maximum(X[:, 1], 0), ratios=[1.0, 0.5, 0.2, 0.05])


def test_every_neuron_of_every_network_has_a_row():
    rows = explain.path(PATH)
    counts = rows.groupby("ratio").size().reindex(PATH.ratios, fill_value=0)
    assert counts.tolist() == PATH.n_neurons.tolist()
    assert not rows.duplicated(["ratio", "neuron"]).any()
    assert (rows["entered"] >= rows["ratio"]).all()
    assert rows.groupby("neuron")["entered"].nunique().eq(1).all()


def test_sizes_are_what_neurons_cost():
    rows = explain.path(PATH)
    network = PATH.networks[-1]
    weights = np.column_stack([network.hidden_weight.detach(), network.hidden_bias.detach()])
    heads = np.abs(network.output_weight.detach().numpy())
    own = rows[rows["ratio"] == PATH.ratios[-1]].sort_values("place")
    np.testing.assert_allclose(own["size"], np.linalg.norm(weights, axis=1) * heads)


def test_the_strongest_kink_enters_first_and_stays_the_same_neuron():
    rows = explain.path(PATH)
    largest = rows.loc[rows[rows["ratio"] == PATH.ratios[-1]]["size"].idxmax()]
    own = rows[rows["neuron"] == largest["neuron"]]
    assert largest["entered"] == rows["entered"].max()
    assert (own.sort_values("ratio", ascending=False)["size"].diff()[1:] > 0).all()
    direction = PATH.networks[-1].hidden_weight.detach().numpy()[int(largest["place"]) - 1]
    assert abs(direction[0]) > 0.9 * np.linalg.norm(direction)


def test_a_path_without_neurons_is_an_empty_table():
    rows = explain.path(regularization_path(X, np.abs(X[:, 0]), ratios=[1.0]))
    assert rows.columns.tolist() == ["ratio", "neuron", "place", "size", "entered"]
    assert rows.empty
