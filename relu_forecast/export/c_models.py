"""Compiled models as functions of C: a window in, all steps out.

Each is ``static inline void @NAME(const REAL *window, REAL *out)``: the last samples, oldest first,
and the forecasts. Inner loops go over outputs, one after the other in memory and independent of
each other, so that a compiler can do several at once without reordering any sum.
"""

from __future__ import annotations

import numpy as np

from relu_forecast.compiled import AnalogSearch, Mixture, Recursion, WindowModel, WindowNetwork
from relu_forecast.export.c_source import CSource
from relu_forecast.windows.contexts import Context


def write_model(source: CSource, model: WindowModel, name: str) -> None:
    """Add the function of a model that keeps nothing, and those that it calls."""
    if isinstance(model, WindowNetwork):
        _write_network(source, model, name)
    elif isinstance(model, AnalogSearch):
        _write_analogs(source, model, name)
        _write_analog_forecast(source, model, name)
    elif isinstance(model, Recursion):
        _write_recursion(source, model, name)
    else:
        raise TypeError(f"no model of C: {type(model).__name__}")


def _write_network(source: CSource, network: WindowNetwork, name: str) -> None:
    """Add a network."""
    layers, context = network.layers, network.context
    m, steps, gated = layers.n_neurons, network.n_steps, layers.gate is not None
    parts = [layers.hidden, layers.linear] + ([layers.gate] if layers.gate is not None else [])
    biases = [layers.hidden_bias, layers.constant] + (
        [layers.gate_bias] if layers.gate_bias is not None else [])
    first, d = np.hstack(parts), context.size
    # The last stretch, where it is the last sample alone, is always 0.
    seen = d - ((context.lags[-1], context.widths[-1]) == (1, 1))
    levels = bool((first[d] != 0).any())
    source.numbers(f"{name}_first", np.vstack([first[:seen], first[d:]]))
    source.numbers(f"{name}_bias", np.concatenate(biases))
    if m:
        source.numbers(f"{name}_output", layers.output)
    told = 0 if network.analogs is None else network.analogs.n_steps
    if network.analogs is not None:
        _write_analogs(source, network.analogs, f"{name}_a")
    width = first.shape[1]
    source.operations += len(first) * width + m * steps
    source.need(network.length + width + told)
    switch = f"z[{m + steps} + j] >= 0" if gated else "z[j] > 0"
    neurons = f"""
  for (j = 0; j < {m}; j++)
    if ({switch})
      for (c = 0; c < {steps}; c++) out[c] += @{name}_output[j][c] * z[j];""" if m else ""
    level = f"""
  v = last - {source.literal(network.origin)};
  for (c = 0; c < {width}; c++) z[c] += @{name}_first[{seen}][c] * v;""" if levels else ""
    analogs = f"""
  @{name}_a_followed(window + {network.length - network.analogs.length}, told);
  for (i = 0; i < {told}; i++)
    for (c = 0; c < {width}; c++) z[c] += @{name}_first[{seen + 1} + i][c] * told[i];""" if (
        network.analogs is not None) else ""
    base = "last" if network.relative else source.literal(network.origin)
    source.function(f"""
static inline void @{name}(const REAL *window, REAL *out) {{
  const REAL *own = window + {network.length - context.length};
  const REAL last = own[{context.length - 1}];
  REAL z[{width}], v;{f" REAL told[{told}];" if told else ""}
  int i, c{", j" if m else ""};
  for (c = 0; c < {width}; c++) z[c] = @{name}_bias[c];
  for (i = 0; i < {seen}; i++) {{
{_stretch(source, context, name, int(seen))}
    for (c = 0; c < {width}; c++) z[c] += @{name}_first[i][c] * v;
  }}{level}{analogs}
  for (c = 0; c < {steps}; c++) out[c] = {base} + z[{m} + c];{neurons}
}}""")


def _stretch(source: CSource, context: Context, name: str, seen: int) -> str:
    """Return what takes the mean of stretch ``i``, less the last sample, to ``v``."""
    if context.is_plain:
        return "    v = own[i] - last;"
    starts = [context.length - lag - width + 1
              for lag, width in zip(context.lags, context.widths, strict=True)]
    source.counts(f"{name}_start", np.array(starts[:seen] or [0]))
    if max(context.widths) == 1:
        return f"    v = own[@{name}_start[i]] - last;"
    source.counts(f"{name}_width", np.array(context.widths[:seen] or [1]))
    return f"""    int k;
    v = 0;
    for (k = 0; k < @{name}_width[i]; k++) v += own[@{name}_start[i] + k] - last;
    v /= (REAL)@{name}_width[i];"""


def _write_recursion(source: CSource, recursion: Recursion, name: str) -> None:
    """Add a model that is fed with its own forecasts."""
    block, length = recursion.block, recursion.length
    count = -(-recursion.n_steps // block.n_steps)
    before = source.operations
    write_model(source, block, f"{name}_b")
    source.operations = before + count * (source.operations - before)
    total = length + count * block.n_steps
    source.need(source.scratch + total)
    source.function(f"""
static inline void @{name}(const REAL *window, REAL *out) {{
  REAL samples[{total}];
  int i;
  for (i = 0; i < {length}; i++) samples[i] = window[i];
  for (i = 0; i < {count}; i++)
    @{name}_b(samples + i * {block.n_steps}, samples + {length} + i * {block.n_steps});
  for (i = 0; i < {recursion.n_steps}; i++) out[i] = samples[{length} + i];
}}""")


def _write_analogs(source: CSource, search: AnalogSearch, name: str) -> None:
    """Add the search: what followed the windows most like a window."""
    library, length, steps = search.library, search.length, search.n_steps
    n = len(library.windows)
    values = np.concatenate([library.windows[0], search.ahead[:, 0], search.ahead[-1, 1:]])
    source.numbers(f"{name}_values", values)
    count = min(search.k, int(library.allowed.sum()))
    skip = weight = ""
    if not library.allowed.all():
        source.counts(f"{name}_allowed", library.allowed.astype(int))
        skip = f"\n    if (!@{name}_allowed[i]) continue;"
    if search.weights is not None:
        source.numbers(f"{name}_weights", search.weights)
        weight = f"@{name}_weights[near[j]]"
    level = library.level
    base = "0" if level is None else source.literal(level)
    own = f"window[{length - 1}] / unit" if level is None else base
    other = f"x[{length - 1}]" if level is None else base
    followed = f"x[{length - 1}]" if level is None else "0"
    source.operations += n * length
    source.need(length + 3 * count)
    source.function(f"""
static inline void @{name}_followed(const REAL *window, REAL *out) {{
  const REAL unit = {source.literal(search.unit)}, step = {source.literal(library.step)};
  REAL q[{length}], far[{count}], limit = INFINITY, total = 0;
  const REAL shift = {own};
  int near[{count}], found = 0, i, j, s;
  for (j = 0; j < {length}; j++) q[j] = window[j] / unit - shift;
  for (i = {n - 1}; i >= 0; i--) {{  /* of equally far ones the newest */
    const REAL *x = @{name}_values + i;
    const REAL level = {other};
    REAL sum = 0, steps;{skip}
    for (j = 0; j < {length} && sum <= limit; j++) {{
      const REAL apart = (x[j] - level) - q[j];
      sum += apart * apart;
    }}
    if (!(sum <= limit)) continue;
    steps = RINT(SQRT(sum) / step);
    if (found == {count} && !(steps < far[{count - 1}])) continue;
    j = found < {count} ? found++ : {count - 1};
    for (; j > 0 && far[j - 1] > steps; j--) {{ far[j] = far[j - 1]; near[j] = near[j - 1]; }}
    far[j] = steps;
    near[j] = i;
    if (found == {count}) {{
      limit = (far[{count - 1}] + 1) * step;
      limit *= limit;
    }}
  }}
  for (s = 0; s < {steps}; s++) out[s] = 0;
  for (j = 0; j < found; j++) {{
    const REAL *x = @{name}_values + near[j];
    const REAL weight = {weight or "1"};
    total += weight;
    for (s = 0; s < {steps}; s++) out[s] += (x[{length} + s] - {followed}) * weight;
  }}
  for (s = 0; s < {steps}; s++) out[s] = out[s] / total * unit;
}}""")


def _write_analog_forecast(source: CSource, search: AnalogSearch, name: str) -> None:
    """Add the forecast of analogs on their own."""
    added = ""
    if search.relative:
        added = f"""
  for (int s = 0; s < {search.n_steps}; s++) out[s] += window[{search.length - 1}];"""
    source.function(f"""
static inline void @{name}(const REAL *window, REAL *out) {{
  @{name}_followed(window, out);{added}
}}""")


def write_mixture(source: CSource, mixture: Mixture) -> None:
    """Add the members of a committee, and ``@members``, which runs all, over the unit."""
    calls = []
    for place, member in enumerate(mixture.members):
        write_model(source, member, f"m{place}")
        calls.append(f"  @m{place}(window + {mixture.length - member.length}, out[{place}]);")
    steps, count = mixture.n_steps, len(mixture.members)
    source.function(f"""
static inline void @members(const REAL *window, REAL out[{count}][{steps}]) {{
  int i, s;
""" + "\n".join(calls) + f"""
  for (i = 0; i < {count}; i++)
    for (s = 0; s < {steps}; s++) out[i][s] /= {source.literal(mixture.unit)};
}}""")
