"""What pages and notebooks say of a fitted forecaster."""

from __future__ import annotations

import numpy as np
import pandas as pd

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import Naive
from relu_forecast.forecasting.models.card import card_of
from tests.plots.pages import Page

WAVE = np.abs(np.sin(np.arange(60) / 5))


def network() -> ReLUForecaster:
    return ReLUForecaster(lags=2, horizon=2, beta_ratio=0.2, alias="<b>")


def test_a_network_has_its_certificate_and_what_was_tried() -> None:
    model = network().fit(WAVE)
    card = card_of(model)
    assert str(model.regressor_.certificate_) in card.facts["Certificate"]
    assert card.facts["Fitted to"] == "1 series, 60 samples, up to 59"
    assert card.facts["Steps ahead"] == "2"
    assert card.members is not None
    pd.testing.assert_frame_equal(card.members, model.members_.loc[:, "member":"weight"])
    assert card.members.columns[[0, -1]].tolist() == ["member", "weight"]


def test_of_many_series_the_table_has_the_certificates() -> None:
    frame = pd.DataFrame({"unique_id": np.repeat(["a", "b"], 60), "ds": [*range(60)] * 2,
                          "y": np.concatenate([WAVE, 2 * WAVE])})
    card = card_of(network().fit(frame))
    assert "Certificate" not in card.facts
    assert card.members is not None
    assert card.members["gap"].notna().all()
    assert card.members["unique_id"].tolist() == ["a", "b"]


def test_other_models_have_neither() -> None:
    card = card_of(Naive().fit(WAVE, horizon=3, intervals="split"))
    assert (card.name, card.members) == ("Naive", None)
    assert "Certificate" not in card.facts
    assert "split" in card.facts["Intervals"].lower() or "Conformal" in card.facts["Intervals"]


def test_notebooks_show_the_card_once_there_is_one() -> None:
    model = network()
    assert "lower bound" not in model._repr_html_()
    assert "text/html" in model._repr_mimebundle_()
    shown = model.fit(WAVE)._repr_html_()
    page = Page(shown)
    assert not page.unclosed
    assert not page.all("b")
    assert "lower bound" in page.text
    assert model._repr_mimebundle_() == {"text/plain": repr(model), "text/html": shown}
