"""A compiled model as one header of C99: no allocation, no library but math.h, no other file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from relu_forecast.compiled import Mixture, WindowModel
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.export.c_main import MAIN
from relu_forecast.export.c_models import write_mixture, write_model
from relu_forecast.export.c_source import CSource, DType
from relu_forecast.export.sizes import Sizes
from relu_forecast.validation import Array, check_choice

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,30}"
_DTYPES: tuple[DType, ...] = ("double", "float")


def c_header(model: WindowModel, *, prefix: str = "forecast", dtype: DType = "double",
             levels: Sequence[float] = (), half_widths: Array | None = None,
             learn: bool = True, about: Sequence[str] = ()) -> tuple[str, Sizes]:
    """Return a header of C, and what it takes.

    Parameters
    ----------
    model : WindowModel
        What to export.
    prefix : str, default "forecast"
        Of all names in the header: letters, digits and underscores.
    dtype : {"double", "float"}, default "double"
        Type of all numbers.
    levels : sequence of float
        Percentages of the intervals, increasing.
    half_widths : ndarray, shape (L, H), optional
        Of the intervals, which stay as they are.
    learn : bool, default True
        Whether weights of a committee follow the errors; else they stay as they are now.
    about : sequence of str
        Lines for the comment at the top.

    Raises
    ------
    InvalidArgumentError
        The prefix is no name of C, or the type another.
    """
    check_choice(dtype, "dtype", _DTYPES)
    if not isinstance(prefix, str) or not re.fullmatch(_NAME, prefix):
        raise InvalidArgumentError(
            "prefix", "a name of C, of letters, digits and underscores", repr(prefix),
            "Pass for example prefix='ecg'.")
    source = CSource(dtype)
    learns = isinstance(model, Mixture) and model.experts.learns and learn
    if isinstance(model, Mixture):
        write_mixture(source, model)
        state = _write_mixing(source, model, learns)
    else:
        write_model(source, model, "model")
        state = _write_plain(source, model)
    if half_widths is not None and len(levels):
        source.numbers("half_widths", half_widths)
    memory = source.width * (2 * model.length + state + source.scratch) + 4 * 4
    sizes = Sizes(model.length, model.n_steps, source.n_bytes, memory, source.operations)
    text = _TEMPLATE
    for mark, part in (
            ("ABOUT", _comment(about, sizes)), ("STATE", _STATE if learns else ""),
            ("CONSTANTS", "\n".join(source.constants)),
            ("FUNCTIONS", "\n\n".join(source.functions)),
            ("OBSERVE", "  @observe(state, sample);\n" if learns else ""),
            ("INIT", "  @forget(state);\n" if learns else ""),
            ("INTERVALS", _INTERVALS if half_widths is not None and len(levels) else ""),
            ("MAIN", MAIN), ("LENGTH", str(model.length)), ("STEPS", str(model.n_steps)),
            ("LEVELS", str(len(levels) if half_widths is not None else 0)),
            ("MEMBERS", str(len(model.members)) if isinstance(model, Mixture) else "0")):
        text = text.replace(f"%{mark}%", part)
    text = text.replace("%PREFIX%", prefix.upper()).replace("@", f"{prefix}_")
    text = re.sub(r"\bREAL\b", f"{prefix}_real", text)
    for name, plain in (("SQRT", "sqrt"), ("RINT", "rint")):
        text = re.sub(rf"\b{name}\b", plain + ("f" if dtype == "float" else ""), text)
    return text.replace("%TYPE%", dtype), sizes


def _write_plain(source: CSource, model: WindowModel) -> int:
    """Add what forecasts with a model that learns nothing; return numbers of state."""
    source.function("""
static inline void @window_forecast(@state *state, const REAL *window, REAL *out) {
  (void)state;
  @model(window, out);
}""")
    return 0


def _write_mixing(source: CSource, mixture: Mixture, learns: bool) -> int:
    """Add the weights of a committee; return numbers of state."""
    count, steps = len(mixture.members), mixture.n_steps
    experts = mixture.experts
    source.need(source.scratch + count * steps)
    source.operations += count * steps * (8 if learns else 1)
    unit = source.literal(mixture.unit)
    if not learns:
        source.numbers("weights", experts.weights())
        source.function(f"""
static inline void @window_forecast(@state *state, const REAL *window, REAL *out) {{
  REAL own[{count}][{steps}];
  int i, s;
  (void)state;
  @members(window, own);
  for (s = 0; s < {steps}; s++) out[s] = 0;
  for (i = 0; i < {count}; i++)
    for (s = 0; s < {steps}; s++) out[s] += @weights[i][s] * own[i][s];
  for (s = 0; s < {steps}; s++) out[s] *= {unit};
}}""")
        return 0
    source.numbers("eligible", experts.eligible)
    source.numbers("scales", experts.scales)
    source.numbers("regrets", experts.regrets)
    source.numbers("squares", experts.squares)
    source.function(_MIXING.replace("%UNIT%", unit))
    return 2 * count * steps + (count + 1) * steps * steps


def _comment(about: Sequence[str], sizes: Sizes) -> str:
    """Return the lines of the comment at the top, which cannot end it early."""
    lines = [*about, f"{sizes.constants:,} bytes of constants, {sizes.memory:,} bytes of memory"
             f" (state and stack), {sizes.operations:,} multiply-adds a forecast at most."]
    kept = (re.sub(r"[^\x20-\x7e]", "?", line).replace("*/", "* /").replace("/*", "/ *")
            .replace("@", " at ")
            .replace("%", " percent").replace("REAL", "Real") for line in lines)
    return "\n".join(f" * {line}".rstrip() for line in kept)


_STATE = """  REAL regrets[%MEMBERS%][%STEPS%], squares[%MEMBERS%][%STEPS%];
  REAL own[%STEPS%][%MEMBERS%][%STEPS%], mixed[%STEPS%][%STEPS%];
  int mixes;
"""

_INTERVALS = """
/* The ends of the interval of a level, 0 for the lowest, around forecasts. */
static inline void @interval(int level, const REAL *forecast, REAL *lower, REAL *upper) {
  int s;
  for (s = 0; s < %STEPS%; s++) {
    lower[s] = forecast[s] - @half_widths[level][s];
    upper[s] = forecast[s] + @half_widths[level][s];
  }
}
"""

_MIXING = """
static inline void @forget(@state *state) {
  int i, s, k;
  state->mixes = 0;
  for (i = 0; i < %MEMBERS%; i++)
    for (s = 0; s < %STEPS%; s++) {
      state->regrets[i][s] = @regrets[i][s];
      state->squares[i][s] = @squares[i][s];
      for (k = 0; k < %STEPS%; k++) state->own[k][i][s] = NAN;
    }
  for (k = 0; k < %STEPS%; k++)
    for (s = 0; s < %STEPS%; s++) state->mixed[k][s] = NAN;
}

/* ML-Poly (Gaillard, Stoltz & van Erven, 2014): weights by regret over one plus its squares. */
static inline void @observe(@state *state, REAL sample) {
  int i, s;
  if (state->mixes == 0) return;
  for (s = 0; s < %STEPS%; s++) {
    const int place = (state->mixes - 1 - s + %STEPS%) % %STEPS%;
    const REAL mixed = state->mixed[place][s];
    const REAL slope = 2 * (mixed - sample / %UNIT%) / @scales[s];
    for (i = 0; i < %MEMBERS%; i++) {
      const REAL gained = slope * (mixed - state->own[place][i][s]);
      if (!isfinite(gained * gained)) continue;
      state->regrets[i][s] += gained;
      state->squares[i][s] += gained * gained;
    }
  }
}

static inline void @window_forecast(@state *state, const REAL *window, REAL *out) {
  const int place = state->mixes % %STEPS%;
  REAL (*own)[%STEPS%] = state->own[place];
  int i, s;
  @members(window, own);
  for (s = 0; s < %STEPS%; s++) {
    REAL total = 0, sum = 0;
    for (i = 0; i < %MEMBERS%; i++) {
      const REAL regret = state->regrets[i][s] > 0 ? state->regrets[i][s] : 0;
      const REAL worth = @eligible[i][s] * regret / (1 + state->squares[i][s]);
      total += worth;
      sum += worth * own[i][s];
    }
    if (!(total > 0))
      for (i = 0, total = 0, sum = 0; i < %MEMBERS%; i++) {
        total += @eligible[i][s];
        sum += @eligible[i][s] * own[i][s];
      }
    state->mixed[place][s] = sum / total;
    out[s] = state->mixed[place][s] * %UNIT%;
  }
  /* Modulo twice the steps, so that it never overflows, and 0 stands for the start alone. */
  state->mixes = state->mixes + 1 == 2 * %STEPS% + %STEPS% ? 2 * %STEPS% : state->mixes + 1;
}"""

_TEMPLATE = """/*
%ABOUT%
 *
 * @state state; @init(&state); then for each sample @push(&state, sample), with NAN for one that is
 * missing, and @next(&state, out), which returns 0 until %LENGTH% samples have come in. Call both
 * once a sample. With -D%PREFIX%_MAIN this file is a program that reads samples from stdin.
 */
#ifndef %PREFIX%_H
#define %PREFIX%_H

#include <math.h>

typedef %TYPE% REAL;

#define %PREFIX%_LENGTH %LENGTH% /* samples that a forecast looks back on */
#define %PREFIX%_STEPS %STEPS% /* steps ahead */
#define %PREFIX%_LEVELS %LEVELS% /* intervals */

typedef struct {
  REAL samples[2 * %LENGTH%]; /* each is kept twice, so that a window is always in one piece */
  REAL last;
  int place, seen, gap;
%STATE%} @state;

%CONSTANTS%

%FUNCTIONS%

static inline void @init(@state *state) {
  int i;
  for (i = 0; i < 2 * %LENGTH%; i++) state->samples[i] = 0;
  state->last = 0;
  state->place = state->seen = state->gap = 0;
%INIT%}

/* The last %LENGTH% samples, oldest first. */
static inline REAL *@window(@state *state) { return state->samples + state->place; }

/* Fills a gap, once it is over, on the line between its ends. */
static inline void @join(@state *state, REAL sample) {
  const REAL slope = (sample - state->last) / ((REAL)state->gap + 1);
  const int first = state->gap < %LENGTH% ? 1 : state->gap - %LENGTH% + 1;
  int i, place;
  for (i = first; i <= state->gap; i++) {
    place = (state->place + %LENGTH% - 1 - (state->gap - i)) % %LENGTH%;
    state->samples[place] = state->samples[place + %LENGTH%] = slope * (REAL)i + state->last;
  }
  state->gap = 0;
}

/* Takes in a sample; NAN where it is missing: the last one stands for it until the next comes. */
static inline void @push(@state *state, REAL sample) {
%OBSERVE%  if (isnan(sample)) {
    if (state->seen == 0) return;
    if (state->gap < 1000000000) state->gap++;
    sample = state->last;
  } else {
    if (state->gap > 0) @join(state, sample);
    state->last = sample;
  }
  state->samples[state->place] = state->samples[state->place + %LENGTH%] = sample;
  state->place = (state->place + 1) % %LENGTH%;
  if (state->seen < %LENGTH%) state->seen++;
}

/* Forecasts the next %STEPS% samples; returns 0, and none, until enough have come in. */
static inline int @next(@state *state, REAL *out) {
  if (state->seen < %LENGTH%) return 0;
  @window_forecast(state, @window(state), out);
  return 1;
}
%INTERVALS%
%MAIN%
#endif
"""
