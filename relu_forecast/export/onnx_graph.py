"""A compiled model as a graph of ONNX, in double precision: windows in, all steps out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from relu_forecast.compiled import AnalogSearch, Mixture, Recursion, WindowModel, WindowNetwork
from relu_forecast.exceptions import MissingPackageError
from relu_forecast.export.sizes import Sizes
from relu_forecast.validation import Array
from relu_forecast.windows.contexts import Context

OPSET = 17
"""Version of the operators."""
_END = 2**62


def onnx_model(model: WindowModel, about: Sequence[str] = ()) -> tuple[bytes, Sizes]:
    """Return a model of ONNX, as its files have it, and what it takes.

    Its input ``window`` is (N, length or more), its output ``forecast`` (N, n_steps), of doubles.
    Weights of a committee stay as they are.

    Parameters
    ----------
    model : WindowModel
        What to export.
    about : sequence of str
        Lines for its description.

    Raises
    ------
    MissingPackageError
        The package onnx is not there; it is an ImportError.
    """
    try:
        from onnx import TensorProto, checker, helper  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingPackageError("The export to ONNX", "onnx", "onnx") from error
    graph = _Graph(helper)
    graph.outcome(_add(graph, model, "window"))
    kind = TensorProto.DOUBLE
    made = helper.make_model(
        helper.make_graph(
            graph.nodes, "forecast",
            [helper.make_tensor_value_info("window", kind, ["N", "samples"])],
            [helper.make_tensor_value_info("forecast", kind, ["N", model.n_steps])],
            graph.constants, doc_string="\n".join(about)),
        opset_imports=[helper.make_opsetid("", OPSET)], producer_name="relu_forecast",
        ir_version=8)
    checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content, Sizes(model.length, model.n_steps, graph.n_bytes, 0, graph.operations)


class _Graph:
    """Nodes and constants, in the order in which they were added."""

    def __init__(self, helper: Any) -> None:
        self._helper = helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.n_bytes = self.operations = 0

    def constant(self, values: Any, whole: bool = False) -> str:
        """Add numbers; return their name."""
        array = np.asarray(values, dtype=np.int64 if whole else np.float64)
        self.n_bytes += array.nbytes
        name, kind = f"c{len(self.constants)}", 7 if whole else 11  # TensorProto.INT64, DOUBLE
        self.constants.append(self._helper.make_tensor(
            name, kind, array.shape, array.ravel().tolist()))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node; return the name of its last output."""
        names = [f"v{len(self.nodes)}_{place}" for place in range(outputs)]
        self.nodes.append(self._helper.make_node(kind, list(inputs), names, **attributes))
        return names[-1]

    def outcome(self, name: str) -> None:
        """Say which value is the forecast."""
        self.nodes.append(self._helper.make_node("Identity", [name], ["forecast"]))

    def columns(self, name: str, start: int, stop: int = _END) -> str:
        """Return some columns of a matrix."""
        return self.op("Slice", name, *(self.constant([one], whole=True)
                                        for one in (start, stop, 1)))

    def affine(self, inputs: str, matrix: Array, bias: Array) -> str:
        """Return ``inputs @ matrix + bias``."""
        self.operations += matrix.size
        return self.op("Add", self.op("MatMul", inputs, self.constant(matrix)),
                       self.constant(bias))


def _add(graph: _Graph, model: WindowModel, window: str) -> str:
    """Add a model of the last columns of windows; return its forecasts, (N, H)."""
    if isinstance(model, WindowNetwork):
        return _add_network(graph, model, window)
    if isinstance(model, AnalogSearch):
        followed = _add_analogs(graph, model, window)
        return graph.op("Add", followed, graph.columns(window, -1)) if (
            model.relative) else followed
    if isinstance(model, Recursion):
        return _add_recursion(graph, model, window)
    if isinstance(model, Mixture):
        weights = model.experts.weights()
        return graph.op("Sum", *(
            graph.op("Mul", _add(graph, member, window), graph.constant(own))
            for member, own in zip(model.members, weights, strict=True)))
    raise TypeError(f"no compiled model: {type(model).__name__}")


def _add_network(graph: _Graph, network: WindowNetwork, window: str) -> str:
    """Add a network."""
    layers, last = network.layers, graph.columns(window, -1)
    own = graph.op("Sub", graph.columns(window, -network.context.length), last)
    seen = own if network.context.is_plain else graph.op(
        "MatMul", own, graph.constant(_pooling(network.context)))
    parts = [seen, graph.op("Sub", last, graph.constant(network.origin))]
    if network.analogs is not None:
        parts.append(_add_analogs(graph, network.analogs, window))
    inputs = graph.op("Concat", *parts, axis=1)
    base = last if network.relative else graph.constant(network.origin)
    outputs = graph.op("Add", graph.affine(inputs, layers.linear, layers.constant), base)
    if not layers.n_neurons:
        return outputs
    hidden = graph.affine(inputs, layers.hidden, layers.hidden_bias)
    if layers.gate is None or layers.gate_bias is None:
        active = graph.op("Relu", hidden)
    else:
        gates, zero = graph.affine(inputs, layers.gate, layers.gate_bias), graph.constant(0.0)
        active = graph.op("Where", graph.op("GreaterOrEqual", gates, zero), hidden, zero)
    graph.operations += layers.output.size
    return graph.op("Add", outputs, graph.op("MatMul", active, graph.constant(layers.output)))


def _add_analogs(graph: _Graph, search: AnalogSearch, window: str) -> str:
    """Add what followed the windows most like the last one, (N, H)."""
    library = search.library
    # The newest first: of equally far ones the first is taken.
    order = np.flatnonzero(library.allowed)[::-1]
    windows = library.shifted(library.windows)[order]
    own = graph.op("Div", graph.columns(window, -search.length), graph.constant(search.unit))
    level = graph.columns(own, -1) if library.level is None else graph.constant(library.level)
    query = graph.op("Unsqueeze", graph.op("Sub", own, level), graph.constant([1], whole=True))
    apart = graph.op("Sub", query, graph.constant(windows))
    squares = graph.op("ReduceSum", graph.op("Mul", apart, apart),
                       graph.constant([2], whole=True), keepdims=0)
    steps = graph.op("Round", graph.op("Div", graph.op("Sqrt", squares),
                                       graph.constant(library.step)))
    count = graph.constant([min(search.k, len(order))], whole=True)
    near = graph.op("TopK", steps, count, outputs=2, axis=1, largest=0, sorted=1)
    followed = graph.op("Gather", graph.constant(search.continuations[order]), near, axis=0)
    weights = np.ones(len(windows)) if search.weights is None else search.weights[order]
    shares = graph.op("Gather", graph.constant(weights), near, axis=0)
    first = graph.constant([1], whole=True)
    total = graph.op("ReduceSum", shares, first, keepdims=1)
    last_axis = graph.constant([2], whole=True)
    weighed = graph.op("Mul", followed, graph.op("Unsqueeze", shares, last_axis))
    graph.operations += windows.size
    mean = graph.op("Div", graph.op("ReduceSum", weighed, first, keepdims=0), total)
    return graph.op("Mul", mean, graph.constant(search.unit))


def _add_recursion(graph: _Graph, recursion: Recursion, window: str) -> str:
    """Add a model that is fed with its own forecasts, block after block."""
    samples, found = window, []
    for _ in range(0, recursion.n_steps, recursion.block.n_steps):
        found.append(_add(graph, recursion.block, samples))
        samples = graph.op("Concat", samples, found[-1], axis=1)
    return graph.columns(graph.op("Concat", *found, axis=1), 0, recursion.n_steps)


def _pooling(context: Context) -> Array:
    """Return what takes windows to the means of their stretches, (L, d)."""
    return context.pool(np.eye(context.length))
