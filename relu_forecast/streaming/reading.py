"""What a stream says after a sample."""

from __future__ import annotations

from typing import NamedTuple

from relu_forecast.validation import Array


class Reading(NamedTuple):
    """What a stream says after a sample; of N channels, arrays have a last axis of them.

    Attributes
    ----------
    forecast : ndarray, shape (H,)
        The next H samples; NaN until as many samples have been seen as the model looks back on.
    lower, upper : ndarray, shape (L, H)
        Ends of the prediction intervals, by level; without levels, (0, H).
    p_value : float
        Of the sample: the share of samples at which the forecasts before were as wrong, when all
        is as usual. NaN without alarms, where the sample is missing, or too little has been seen.
    score : float
        How wrong the forecasts were, in units of how wrong they usually are; NaN likewise.
    alarm : bool
        Whether the sample belongs to an alarm.
    onset : bool
        Whether an alarm begins with it.
    kind : str
        What kind of alarm: see `relu_forecast.streaming.alarms`; empty where there is none.
    """

    forecast: Array
    lower: Array
    upper: Array
    p_value: float | Array
    score: float | Array
    alarm: bool | Array
    onset: bool | Array
    kind: str | Array
