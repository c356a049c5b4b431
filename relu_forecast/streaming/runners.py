"""Compiled models, run once a sample: as few and as small steps as there can be.

A runner is made once for a model, with all the room that it needs. It is given the window less its
last sample, and that one; of channels side by side all have a last axis. What it returns is its own
array, which the next call overwrites.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.compiled import AnalogSearch, Mixture, Recursion, WindowModel, WindowNetwork
from relu_forecast.compiled.experts import Mixing
from relu_forecast.compiled.recursion import by_samples
from relu_forecast.networks.layers import Layers
from relu_forecast.validation import Array
from relu_forecast.windows.contexts import Context

_TOGETHER = 60
"""Samples that members of a committee are given that look back on fewer."""


class Runner(ABC):
    """A model of the last samples, run once a sample."""

    @abstractmethod
    def __call__(self, shifted: Array, last: Any) -> Array:
        """Return forecasts less the last sample, (H,) or (H, N).

        ``shifted`` is the window less its last sample, (L or more,) or (L or more, N), ``last`` is
        that sample, a number or (N,).
        """


class NetworkRunner(Runner):
    """Networks that see the same of a window; with several, one set of forecasts after the other.

    All that is linear in the inputs is one product of matrices.
    """

    def __init__(self, networks: Sequence[WindowNetwork], channels: int | None) -> None:
        first = networks[0]
        layers = Layers.side_by_side([one.layers for one in networks])
        self._seen = _seen_of(first.context)
        self._origin, self._gated = first.origin, layers.gate is not None
        self._bases = None if all(one.relative for one in networks) else np.concatenate([
            np.full(one.n_steps, 0.0 if one.relative else 1.0) for one in networks])
        self._m = layers.n_neurons
        parts = [layers.hidden, layers.linear] + ([layers.gate] if layers.gate is not None else [])
        biases = [layers.hidden_bias, layers.constant] + (
            [layers.gate_bias] if layers.gate_bias is not None else [])
        first_map = np.ascontiguousarray(np.hstack(parts).T)
        self._with_level = bool((first_map[:, first.context.size] != 0).any())
        size = first.context.size + 1 + (0 if first.analogs is None else first.analogs.n_steps)
        axes = () if channels is None else (channels,)
        self._inputs = np.zeros((size, *axes))
        self._d = first.context.size
        self._first = first_map
        self._biases = _column(np.concatenate(biases), axes)
        self._second = np.ascontiguousarray(layers.output.T)
        self._sums = np.empty((len(first_map), *axes))
        self._outputs = np.empty((layers.n_outputs, *axes))
        self._axes = axes
        self._stop = self._m + layers.n_outputs

    def __call__(self, shifted: Array, last: Any, told: Array | None = None) -> Array:
        inputs, sums, outputs, m = self._inputs, self._sums, self._outputs, self._m
        inputs[: self._d] = self._seen(shifted)
        if self._with_level:
            inputs[self._d] = last - self._origin
        if told is not None:
            inputs[self._d + 1 :] = told
        self._first.dot(inputs, sums)
        sums += self._biases
        hidden = sums[:m]
        if self._gated:
            hidden *= sums[self._stop :] >= 0
        else:
            np.maximum(hidden, 0.0, out=hidden)
        self._second.dot(hidden, outputs)
        outputs += sums[m : self._stop]
        if self._bases is not None:
            outputs += _column(self._bases, self._axes) * (self._origin - last)
        return outputs


class AnalogRunner(Runner):
    """Analogs; the neighbours of the sample before say where to look first."""

    def __init__(self, search: AnalogSearch, channels: int | None) -> None:
        self._search, self._channels = search, channels
        self._guess: npt.NDArray[np.intp] | None = None

    def __call__(self, shifted: Array, last: Any) -> Array:
        followed = self.followed(shifted, last)
        return followed if self._search.relative else followed - last

    def followed(self, shifted: Array, last: Any) -> Array:
        """Return what followed the windows most like the last one, see `AnalogSearch`."""
        search = self._search
        if self._channels is not None:
            windows = (shifted[-search.length :] + last).T
            known = np.isfinite(windows).all(axis=1)
            found = np.full((search.n_steps, len(windows)), np.nan)
            if known.any():
                found[:, known] = search.followed(windows[known]).T
            return found
        query = shifted[-search.length :]
        if not search.relative:
            query = query + (last - (search.library.level or 0.0) * search.unit)
        found = search.index.nearest(query / search.unit, search.k, self._guess)
        self._guess, near = np.minimum(found + 1, len(search.ahead) - 1), found[: search.k]
        if search.weights is not None:
            return np.asarray(search.means(near[np.newaxis])[0])
        sums = np.add.reduce(search.continuations.take(near, axis=0), axis=0)
        return np.asarray(sums / len(near) * search.unit)


class InformedRunner(Runner):
    """Networks that are told what analogs say."""

    def __init__(self, networks: Sequence[WindowNetwork], analogs: AnalogRunner,
                 channels: int | None) -> None:
        self._network, self._analogs = NetworkRunner(networks, channels), analogs

    def __call__(self, shifted: Array, last: Any) -> Array:
        return self._network(shifted, last, self._analogs.followed(shifted, last))


class RecursionRunner(Runner):
    """A model that is fed with its own forecasts; all are measured from the last known sample."""

    def __init__(self, recursion: Recursion, channels: int | None) -> None:
        self._length, self._n_steps = recursion.length, recursion.n_steps
        self._block, self._size = runner_of(recursion.block, channels), recursion.block.n_steps
        blocks = -(-self._n_steps // self._size)
        axes = () if channels is None else (channels,)
        self._samples = np.empty((self._length + blocks * self._size, *axes))

    def __call__(self, shifted: Array, last: Any) -> Array:
        samples, length, size = self._samples, self._length, self._size
        samples[:length] = shifted[-length:]
        for start in range(0, len(samples) - length, size):
            window = samples[start : start + length]
            newest = window[-1]
            ahead = self._block(window - newest, newest + last)
            samples[start + length : start + length + size] = ahead + newest
        return samples[length : length + self._n_steps]


class SingleStepRunner(Runner):
    """A network of one step that is fed with its own forecasts: nothing but products of vectors.

    A neuron is ``(x'w + b)_+ = max(x'w, -b) + b``, so that biases are not added step by step.
    """

    def __init__(self, recursion: Recursion, network: WindowNetwork) -> None:
        layers = network.layers
        self._length, self._n_steps = network.length, recursion.n_steps
        self._origin = network.origin
        by_sample, self._level = by_samples(network)
        self._first = np.ascontiguousarray(by_sample.T)
        self._biases = np.append(layers.hidden_bias, layers.constant)
        self._second = np.append(layers.output[:, 0], 1.0)
        self._samples = np.empty(self._length + self._n_steps)
        self._windows = [self._samples[step : step + self._length]
                         for step in range(self._n_steps)]
        self._sums = np.empty(layers.n_neurons + 1)

    def __call__(self, shifted: Array, last: Any) -> Array:
        samples, first, second, sums = self._samples, self._first, self._second, self._sums
        biases = self._biases + self._level * (last - self._origin)
        constant, floors = float(biases @ second), -biases
        floors[-1] = -np.inf  # the last one is the linear part
        samples[: self._length] = shifted[-self._length :]
        for place, window in enumerate(self._windows, self._length):
            first.dot(window, sums)
            np.maximum(sums, floors, out=sums)
            samples[place] = sums.dot(second) + constant
        return samples[self._length :]


class MixtureRunner(Runner):
    """A committee; its weights follow what `observe` is told."""

    def __init__(self, mixture: Mixture, channels: int | None) -> None:
        self.mixing = Mixing(mixture.experts, channels)
        self._unit = mixture.unit
        axes = () if channels is None else (channels,)
        parts = _parts_of(mixture, channels)
        self._runs = [run for run, _ in parts]
        stops = np.cumsum([len(places) * mixture.n_steps for _, places in parts])
        self._slices = [slice(stop - len(places) * mixture.n_steps, stop)
                        for stop, (_, places) in zip(stops.tolist(), parts, strict=True)]
        self._order = np.argsort([place for _, places in parts for place in places])
        self._found = np.empty((len(mixture.members) * mixture.n_steps, *axes))
        self._by_member = self._found.reshape(-1, mixture.n_steps, *axes)

    def __call__(self, shifted: Array, last: Any) -> Array:
        for run, part in zip(self._runs, self._slices, strict=True):
            self._found[part] = run(shifted, last)
        forecasts = self._by_member.take(self._order, axis=0)
        forecasts += last
        forecasts /= self._unit
        mixed: Array = self.mixing.mix(forecasts)
        mixed *= self._unit
        mixed -= last
        return mixed

    def go_on_from(self, before: MixtureRunner) -> None:
        """Take over the weights of a committee of as many members, measured in the same unit."""
        if len(before._by_member) == len(self._by_member):
            self.mixing, self._unit = before.mixing, before._unit

    def observe(self, sample: Any, weight: float) -> None:
        """Let the weights follow a sample, NaN where it is missing, that counts so much."""
        self.mixing.observe(sample / self._unit, weight)


def runner_of(model: WindowModel, channels: int | None = None) -> Runner:
    """Return what runs a compiled model on one series, or on channels side by side."""
    if isinstance(model, WindowNetwork):
        if model.analogs is None:
            return NetworkRunner([model], channels)
        return InformedRunner([model], AnalogRunner(model.analogs, channels), channels)
    if isinstance(model, AnalogSearch):
        return AnalogRunner(model, channels)
    if isinstance(model, Recursion):
        block = model.block
        if channels is None and isinstance(block, WindowNetwork) and _is_plain(block):
            return SingleStepRunner(model, block)
        return RecursionRunner(model, channels)
    if isinstance(model, Mixture):
        return MixtureRunner(model, channels)
    raise TypeError(f"no compiled model: {type(model).__name__}")


def _is_plain(network: WindowNetwork) -> bool:
    """Tell whether a network of one step sees all samples, and has neither gates nor analogs."""
    return (network.n_steps == 1 and network.context.is_plain and network.analogs is None
            and network.layers.gate is None)


def _parts_of(mixture: Mixture, channels: int | None) -> list[tuple[Runner, list[int]]]:
    """Return what runs members, and which: networks that see the same run as one.

    Searches of the same analogs are made once.
    """
    together: dict[Any, list[int]] = {}
    found: list[tuple[Runner, list[int]]] = []
    searches: dict[Any, AnalogRunner] = {}

    def searching(analogs: AnalogSearch) -> AnalogRunner:
        return searches.setdefault(_key_of(analogs), _Once(analogs, channels))

    most = min(_TOGETHER, mixture.length)
    networks = {place: _padded(member, most) for place, member in enumerate(mixture.members)
                if isinstance(member, WindowNetwork)}
    for place, member in enumerate(mixture.members):
        if isinstance(member, AnalogSearch):
            found.append((searching(member), [place]))
        elif place not in networks:
            found.append((runner_of(member, channels), [place]))
    # Those that see the level first: those that do not can go with any of them.
    for place, one in sorted(networks.items(), key=lambda item: not _sees_level(item[1])):
        told = None if one.analogs is None else _key_of(one.analogs)
        kind = one.context, told, one.layers.gate is None
        same = [key for key in together if key[:-1] == kind and (
            key[-1] == one.origin or not _sees_level(one))]
        together.setdefault(same[0] if same else (*kind, one.origin), []).append(place)
    for places in together.values():
        some = [networks[place] for place in places]
        analogs = some[0].analogs
        run = NetworkRunner(some, channels) if analogs is None else InformedRunner(
            some, searching(analogs), channels)
        found.append((run, places))
    return found


def _sees_level(network: WindowNetwork) -> bool:
    """Tell whether a network's forecasts, less the last sample, depend on the level."""
    layers, row = network.layers, network.context.size
    parts = [layers.hidden[row], layers.linear[row]]
    parts += [] if layers.gate is None else [layers.gate[row]]
    return not network.relative or any(bool(part.any()) for part in parts)


def _padded(network: WindowNetwork, length: int) -> WindowNetwork:
    """Return a network of few samples as one of ``length``, so that several run as one."""
    extra = length - network.context.size
    if not network.context.is_plain or network.analogs is not None or extra <= 0:
        return network
    unseen = np.vstack([np.zeros((extra, len(network.layers.linear))),
                        np.eye(len(network.layers.linear))])
    return replace(network, context=Context.of(length), layers=network.layers.after(unseen))


class _Once(AnalogRunner):
    """Analogs that several members ask for; they are looked for once a sample."""

    def __init__(self, search: AnalogSearch, channels: int | None) -> None:
        super().__init__(search, channels)
        self._seen: Array | None = None
        self._found = np.empty(0)

    def followed(self, shifted: Array, last: Any) -> Array:
        if self._seen is not shifted:
            self._seen, self._found = shifted, super().followed(shifted, last)
        return self._found


def _key_of(search: AnalogSearch) -> tuple[Any, ...]:
    """Return what says whether two searches find the same."""
    parts = (search.library.windows[:, 0], search.ahead, search.library.allowed, search.weights)
    digests = (sha256(one.tobytes()).digest() for one in parts if one is not None)
    return (search.length, search.k, search.unit, search.library.level, *digests)


def _seen_of(context: Context) -> Callable[[Array], Array]:
    """Return what takes the last samples to the means of the stretches of a context."""
    length = context.length
    if context.is_plain:
        return lambda shifted: shifted[-length:]
    lags, widths = np.array(context.lags), np.array(context.widths, dtype=float)
    starts = length - (lags + widths.astype(int) - 1)
    if (starts[1:] == starts[:-1] + widths[:-1]).all() and starts[0] == 0 and lags[-1] == 1:
        def means(shifted: Array) -> Array:
            sums = np.add.reduceat(shifted[-length:], starts, axis=0)
            return np.asarray(sums / _column(widths, shifted.shape[1:]))
        return means
    if widths.max() == 1:
        return lambda shifted: shifted[len(shifted) - lags]
    return lambda shifted: np.asarray(context.pool(shifted[-length:].T).T)


def _column(values: Array, axes: tuple[int, ...]) -> Array:
    """Return values with an axis more where there are channels."""
    return values[:, np.newaxis] if axes else values
