"""What changes over time: which neurons fire, and which members of a committee count."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.explain.fitted import FittedNetwork, FittedSeries
from relu_forecast.forecasting.data.reading import extend_panel
from relu_forecast.forecasting.models.committee import CommitteeModel


def regions(model: Any, *, unique_id: Hashable = None, member: str | None = None,
            step: int = 1) -> pd.DataFrame:
    """Return at which times of a fitted series which neurons fire: one linear model each.

    Parameters
    ----------
    model, unique_id, member, step
        As for `neurons`.

    Returns
    -------
    pandas.DataFrame
        A row for each window of the training part: its last time ``ds``, that sample ``y``,
        ``region``, a number for each set of neurons that fire together, 0 where none does and then
        from the one that is met most often, and ``firing``, the neurons as text, "1, 4".

    Examples
    --------
    >>> from relu_forecast import ReLUForecaster
    >>> wave = np.abs(np.sin(np.arange(100) / 5))
    >>> told = regions(ReLUForecaster(lags=3, horizon=2, beta_ratio=0.2).fit(wave))
    >>> told.columns.tolist()
    ['ds', 'y', 'region', 'firing']
    """
    fitted = FittedSeries.of(model, unique_id)
    own, series = FittedNetwork.of(fitted, member, step), fitted.series
    arrays = series.arrays(model.covariates)
    history = arrays.history(0, len(arrays))
    X, _ = own.training(history)
    _, fires = own.contributions(X)
    sets = [", ".join(str(place + 1) for place in np.flatnonzero(row)) for row in fires]
    names = pd.Series(sets, dtype=object).value_counts(sort=True).index
    number = {name: place for place, name in enumerate(
        ["", *(name for name in names if name)])}
    ends = own.window_ends(history)
    return pd.DataFrame({"ds": series.times[ends], "y": series.values[ends],
                         "region": [number[name] for name in sets], "firing": sets})


def weights(model: Any, new_data: Any = None, *, unique_id: Hashable = None) -> pd.DataFrame:
    """Return how much each member of a committee counts, and how that goes on.

    Parameters
    ----------
    model : ReLUForecaster
        Fitted, with a committee.
    new_data : optional
        Samples that follow the fitted ones, as for `Forecaster.update`, for weights to follow the
        errors on them, as they do in a backtest without a new fit. None: weights at the end alone.
    unique_id : hashable, optional
        Which series; not needed where there is one.

    Returns
    -------
    pandas.DataFrame
        A row for each time, member and step: ``ds`` (time of the last known sample), ``member``,
        ``step`` and ``weight``; of a time and step, weights add up to 1.

    Raises
    ------
    InvalidArgumentError
        The model has no committee, or data is not what follows.
    """
    fitted = FittedSeries.of(model, unique_id)
    if not isinstance(fitted.state, CommitteeModel):
        raise InvalidArgumentError(
            "model", "a ReLUForecaster whose members are judged", type(fitted.state).__name__,
            "Leave beta_ratio to be chosen, or lags='auto'.")
    series, stop = fitted.series, len(fitted.series)
    if new_data is not None:
        panel = extend_panel(model.panel_, new_data)
        [series] = (one for one in panel.series if one.unique_id == series.unique_id)
    arrays = series.arrays(model.covariates)
    found = fitted.state.weights_along(arrays.history(stop, len(series)))
    names = [member.name for member in fitted.state.members]
    count, m, h = found.shape
    return pd.DataFrame({
        "ds": series.times[stop - 1 :].repeat(m * h), "member": np.tile(np.repeat(names, h), count),
        "step": np.tile(np.arange(1, h + 1), count * m), "weight": found.ravel()})
