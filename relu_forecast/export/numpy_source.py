"""A compiled model as one Python file that needs NumPy alone."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from relu_forecast.compiled import AnalogSearch, Mixture, Recursion, WindowModel, WindowNetwork
from relu_forecast.export.sizes import Sizes
from relu_forecast.windows.contexts import Context

_LINE = 100


def numpy_module(model: WindowModel, about: Sequence[str] = ()) -> tuple[str, Sizes]:
    """Return a Python file with a function ``forecast(window)``, and what it takes.

    Weights of a committee stay as they are.
    """
    writer = _Writer()
    data = writer.describe(model)
    sizes = Sizes(model.length, model.n_steps, writer.n_bytes, 0, writer.operations)
    lines = [line.replace('"""', "'''").replace("\\", "/") for line in (*about, f"{sizes}.")]
    text = _TEMPLATE.replace("%LENGTH%", str(model.length)).replace("%STEPS%", str(model.n_steps))
    return text.replace("%MODEL%", data).replace("%ABOUT%", "\n".join(lines)), sizes


class _Writer:
    """Writes models as Python literals; counts what they take."""

    def __init__(self) -> None:
        self.n_bytes = self.operations = 0

    def describe(self, model: WindowModel) -> str:
        """Return a model as a literal."""
        if isinstance(model, WindowNetwork):
            layers = model.layers
            self.operations += layers.hidden.size + layers.linear.size + layers.output.size
            names = ("hidden", "hidden_bias", "output", "linear", "constant", "gate", "gate_bias")
            parts = {name: self._array(getattr(layers, name)) for name in names}
            return self._dict(kind="'network'", origin=repr(model.origin),
                              relative=repr(model.relative), pool=self._pool(model.context),
                              analogs=repr(None) if model.analogs is None else
                              self.describe(model.analogs), **parts)
        if isinstance(model, AnalogSearch):
            return self._analogs(model)
        if isinstance(model, Recursion):
            before = self.operations
            block = self.describe(model.block)
            count = -(-model.n_steps // model.block.n_steps)
            self.operations = before + count * (self.operations - before)
            return self._dict(kind="'recursion'", length=repr(model.length),
                              n_steps=repr(model.n_steps), block=block)
        if isinstance(model, Mixture):
            members = ", ".join(self.describe(one) for one in model.members)
            return self._dict(kind="'mixture'", members=f"[{members}]",
                              weights=self._array(model.experts.weights()))
        raise TypeError(f"no compiled model: {type(model).__name__}")

    def _analogs(self, search: AnalogSearch) -> str:
        """Return a search as a literal."""
        library, n = search.library, len(search.library.windows)
        values = np.concatenate([library.windows[0], search.ahead[:, 0], search.ahead[-1, 1:]])
        self.operations += n * search.length
        allowed = None if library.allowed.all() else library.allowed.astype(float)
        return self._dict(
            kind="'analogs'", values=self._array(values), length=repr(search.length),
            n_steps=repr(search.n_steps), k=repr(search.k), unit=repr(search.unit),
            level=repr(library.level), step=repr(library.step), allowed=self._array(allowed),
            weights=self._array(search.weights))

    def _pool(self, context: Context) -> str:
        """Return what takes a window to the means of its stretches, as a literal."""
        return repr([(context.length - lag - width + 1, width) for lag, width
                     in zip(context.lags, context.widths, strict=True)])

    def _array(self, values: Any) -> str:
        """Return an array as a call that makes it."""
        if values is None:
            return repr(None)
        array = np.ascontiguousarray(values, dtype="<f8")
        self.n_bytes += array.nbytes
        text = base64.b64encode(array.tobytes()).decode()
        parts = [text[start : start + _LINE - 20] for start in range(0, len(text), _LINE - 20)]
        body = "\n        ".join(repr(part) for part in parts) or "''"
        return f"_array({array.shape},\n        {body})"

    def _dict(self, **entries: str) -> str:
        """Return a dict of literals."""
        return "{" + ",\n    ".join(f"{name!r}: {entry}" for name, entry in entries.items()) + "}"


_TEMPLATE = '''"""
%ABOUT%

``forecast(window)`` needs NumPy alone.
"""

import base64

import numpy as np

LENGTH, STEPS = %LENGTH%, %STEPS%


def forecast(window):
    """Return the next STEPS samples, (STEPS,), of a window (LENGTH or more,), oldest first.

    Of windows (C, LENGTH or more) it returns (C, STEPS).
    """
    windows = np.atleast_2d(np.asarray(window, dtype=float))
    if windows.ndim != 2 or windows.shape[1] < LENGTH or not np.isfinite(windows).all():
        raise ValueError(f"window must have {LENGTH} finite samples; got shape {windows.shape}")
    found = _RUN[_MODEL["kind"]](_MODEL, windows)
    return found[0] if np.ndim(window) == 1 else found


def _array(shape, text):
    return np.frombuffer(base64.b64decode(text), dtype="<f8").reshape(shape).astype(float)


def _network(model, windows):
    last = windows[:, -1:]
    start = max(place + width for place, width in model["pool"])
    own = windows[:, -start:] - last
    inputs = np.column_stack([
        *(own[:, place : place + width].mean(axis=1) for place, width in model["pool"]),
        last - model["origin"]])
    if model["analogs"] is not None:
        inputs = np.hstack([inputs, _followed(model["analogs"], windows)])
    hidden = inputs @ model["hidden"] + model["hidden_bias"]
    if model["gate"] is None:
        hidden = np.maximum(hidden, 0.0)
    else:
        hidden = np.where(inputs @ model["gate"] + model["gate_bias"] >= 0, hidden, 0.0)
    outputs = hidden @ model["output"] + inputs @ model["linear"] + model["constant"]
    return outputs + (last if model["relative"] else model["origin"])


def _followed(model, windows):
    length, steps = model["length"], model["n_steps"]
    view = np.lib.stride_tricks.sliding_window_view(model["values"], length + steps)
    bases = view[:, length - 1 : length] if model["level"] is None else model["level"]
    past, ahead = view[:, :length] - bases, view[:, length:]
    if model["level"] is None:
        ahead = ahead - bases
    found = []
    for window in windows[:, -length:] / model["unit"]:
        query = window - (window[-1] if model["level"] is None else model["level"])
        far = np.rint(np.sqrt(((past - query) ** 2).sum(axis=1)) / model["step"])
        if model["allowed"] is not None:
            far[model["allowed"] == 0] = np.inf
        near = np.lexsort((-np.arange(len(far)), far))[: model["k"]]
        near = near[np.isfinite(far[near])]
        weights = np.ones(len(near)) if model["weights"] is None else model["weights"][near]
        found.append(weights @ ahead[near] / weights.sum() * model["unit"])
    return np.array(found)


def _analogs(model, windows):
    return _followed(model, windows) + (windows[:, -1:] if model["level"] is None else 0.0)


def _recursion(model, windows):
    block, length = model["block"], windows.shape[1]
    samples = windows
    while samples.shape[1] < length + model["n_steps"]:
        ahead = _RUN[block["kind"]](block, samples[:, -model["length"] :])
        samples = np.hstack([samples, ahead])
    return samples[:, length : length + model["n_steps"]]


def _mixture(model, windows):
    forecasts = np.stack([_RUN[one["kind"]](one, windows) for one in model["members"]])
    return (model["weights"][:, np.newaxis] * forecasts).sum(axis=0)


_RUN = {"network": _network, "analogs": _analogs, "recursion": _recursion, "mixture": _mixture}
_MODEL = %MODEL%
'''
