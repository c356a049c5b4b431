"""Constants of the search for orders and of the fit, with their meanings."""

from __future__ import annotations

from dataclasses import dataclass

from relu_forecast.storage import COUNT, Whole, stored


@stored(fit_steps=Whole(1), final_fits=Whole(1), css_steps=Whole(1), search_fits=Whole(1),
        max_differences=COUNT)
@dataclass(frozen=True)
class ArimaSettings:
    """How `ARIMA` searches for orders and fits.

    Attributes
    ----------
    fit_steps : int, default 100
        Iterations of L-BFGS towards the maximum of the likelihood, at most.
    final_fits : int, default 3
        Orders, the best of a search, whose likelihood is maximised until one of them has regular
        estimates, at most.
    search_fits : int, default 94
        Orders that a search tries, at most; as many as R's ``auto.arima`` does.
    css_steps : int, default 100
        Evaluations of the conditional sum of squares in a first estimate, at most.
    max_differences : int, default 2
        Differences that the unit-root tests may ask for.
    kpss_critical : float, default 0.463
        Statistic of the KPSS test above which a level is not stationary, at 5 % (KPSS 1992).
    seasonal_strength : float, default 0.64
        Share of the season in what is not trend, 0 to 1, above which it is differenced (Hyndman
        2018).
    largest_root : float, default 1 / 1.001
        Inverse roots of lag polynomials that are larger count as not stationary, or not
        invertible.
    """

    fit_steps: int = 100
    final_fits: int = 3
    search_fits: int = 94
    css_steps: int = 100
    max_differences: int = 2
    kpss_critical: float = 0.463
    seasonal_strength: float = 0.64
    largest_root: float = 1 / 1.001


SETTINGS = ArimaSettings()
"""The default settings."""
