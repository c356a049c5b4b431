"""What there is to say of a fitted forecaster, for pages and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from relu_forecast.plots.cards import ModelCard


def card_of(forecaster: Any) -> ModelCard:
    """Return the card of a fitted forecaster: data, parameters, certificate, members."""
    from relu_forecast.plots.cards import ModelCard

    panel = forecaster.panel_
    lengths = [len(series) for series in panel.series]
    facts = {
        "Model": " ".join(repr(forecaster).split()),
        "Fitted to": f"{len(lengths):,} series, {sum(lengths):,} samples, up to "
                     f"{max(series.times[-1] for series in panel.series)}",
        "Steps ahead": "any" if forecaster.horizon_ is None else str(forecaster.horizon_),
        "Intervals": "none" if forecaster.intervals_ is None else repr(forecaster.intervals_),
    }
    certificate = _certificate_of(forecaster)
    if certificate is not None:
        facts["Certificate"] = f"of the network that counts most: {certificate}"
    return ModelCard(forecaster.alias, facts, _members_of(forecaster))


def _certificate_of(forecaster: Any) -> Any:
    """Return the certificate of the network that a forecaster has, if it has one."""
    # Of many series there are many networks; their gaps are in the table of members.
    return getattr(getattr(forecaster, "regressor_", None), "certificate_", None)


def _members_of(forecaster: Any) -> pd.DataFrame | None:
    """Return the members of a forecaster without their weights at every single step.

    Of a single series its name is left out, too.
    """
    members = getattr(forecaster, "members_", None)
    if members is None:
        return None
    first = "member" if len(forecaster.models_) == 1 else members.columns[0]
    table: pd.DataFrame = members.loc[:, first:"weight"]
    return table


class CardInNotebooks(BaseEstimator):
    """The part of `Forecaster` that notebooks show: its card once it is fitted."""

    def _repr_html_(self) -> str:
        """Return the card of a fitted forecaster; of another one what scikit-learn shows."""
        if not hasattr(self, "panel_"):
            shown: str = super()._repr_html_()
            return shown
        from relu_forecast.plots.cards import card_fragment

        return card_fragment(card_of(self))

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        """Return text and HTML."""
        bundle: dict[str, str] = super()._repr_mimebundle_(**options)
        if hasattr(self, "panel_"):
            bundle["text/html"] = self._repr_html_()
        return bundle
