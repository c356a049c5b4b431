"""The page of a backtest: what it says is what the backtest holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast.baselines import Naive
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Backtest, backtest
from relu_forecast.forecasting.evaluation.comparison import adjust_holm
from relu_forecast.forecasting.evaluation.report import (
    fragment_of,
    report_page,
    scores_by_model,
    summary_of,
)
from relu_forecast.plots.cards import ModelCard
from tests.forecasting.evaluation.backtests import made
from tests.plots.pages import Page, check_structure

EVIL = "<script>alert(1)</script>"
MODELS = (EVIL, "$\\alpha$", "_c")


@pytest.fixture(scope="module")
def result() -> Backtest:
    return made(n_series=4, n_cutoffs=9, gap=0, models=MODELS, prefix="<b>")


@pytest.fixture(scope="module")
def page(result: Backtest) -> Page:
    cards = [ModelCard(EVIL, {"Certificate": EVIL}, pd.DataFrame({"a": [EVIL], "b": [1.5]}))]
    return check_structure(report_page(result, cards=cards, command=f"relu-forecast {EVIL}",
                                       n_pictured=2))


def test_names_are_shown_as_they_are_and_run_nothing(page: Page) -> None:
    assert not page.all("script")
    assert not page.all("b")
    for name in (*MODELS, "<b>3", f"relu-forecast {EVIL}"):
        assert name in page.text


def test_models_are_rows_the_best_first(page: Page, result: Backtest) -> None:
    table = scores_by_model(result)
    assert tuple(table.index) == result.best_first()
    assert table["RMSE"].is_monotonic_increasing
    place = page.cells.index("model")
    assert page.cells[place + 1 : place + 3] == ["MAE", "RMSE"]
    names = [cell for cell in page.cells if cell in MODELS]
    assert tuple(names[:3]) == result.best_first()


def test_the_page_has_the_scores(page: Page, result: Backtest) -> None:
    for table in (result.scores(["mae", "rmse", "mase", "crps", "winkler"]),
                  result.scores(["rmse", "mae"], by="step"), 100 * result.scores(["coverage"]),
                  result.scores(["rmse"], by="unique_id")):
        for number in table.to_numpy().ravel():
            assert f"{number:.4g}" in page.cells


def test_the_summary_counts_what_was_forecast(page: Page, result: Backtest) -> None:
    told = "3 models forecast 4 series from 36 cutoffs, 3 samples apart"
    assert told in summary_of(result)
    assert told in page.text
    missing = int(result.predictions["y"].isna().sum())
    assert f"{missing} samples were not observed" in page.text
    assert "1 model forecast" in summary_of(made(models=["p"]))


def test_series_beyond_the_wanted_are_in_tables_alone(page: Page) -> None:
    assert "The first 2 of 4 series." in page.text
    shown = [image["alt"] for image in page.all("img") if str(image["alt"]).startswith("Series")]
    assert [str(alt)[:11] for alt in shown] == ["Series <b>0", "Series <b>1"]
    assert "<b>3" in page.cells


def test_alternatives_say_what_is_seen_in_numbers(page: Page, result: Backtest) -> None:
    best = result.best_first()[0]
    alts = " ".join(str(image["alt"]) for image in page.all("img"))
    steps = result.scores(["rmse"], by="step").loc["rmse"][best]
    assert f"{best} from {steps.iloc[0]:.3g} to {steps.iloc[-1]:.3g}" in alts
    own = result.scores(["rmse"], by="unique_id").loc[("rmse", "<b>0"), best]
    assert f"{best} {own:.3g}" in alts
    ranks = result.rank().mean_ranks
    assert f"{best} {ranks[best]:.2f}" in alts
    frame = result.predictions
    first = frame[(frame["unique_id"] == "<b>0")].drop_duplicates("cutoff")
    errors = (first[best] - first["y"]).dropna()
    assert f"mean {errors.mean():.3g}" in alts


def test_every_model_is_tested_against_the_best() -> None:
    values = np.random.default_rng(0).standard_normal(120).cumsum()
    result = made(n_series=1, n_cutoffs=60, h=1, step_size=1, gap=0, models=("good", "bad", "like"),
                  levels=())
    frame = result.predictions
    truth = frame["y"].fillna(0.0)
    frame["good"] = truth + 0.1 * values[:60]
    frame["bad"] = truth + 5 + values[60:]
    frame["like"] = frame["good"]
    cells = Page(report_page(result)).cells
    tests = cells.index("RMSE / best")
    rows = [cells[place : place + 6] for place in range(tests + 5, tests + 17, 6)]
    assert {row[0] for row in rows} == {"bad", "like"}
    counts = {row[0]: row[2:5] for row in rows}
    p_value = result.compare(result.best_first()[0], "bad")["p_value"]
    assert counts["bad"] == ["1", str(int(p_value.iloc[0] < 0.05)), "0"]
    assert counts["bad"][1] == "1"
    assert counts["like"] == ["1", "0", "0"]
    assert "Mean ranks" not in " ".join(cells)


def test_too_few_cutoffs_are_not_tested() -> None:
    page = Page(report_page(made(n_series=1, n_cutoffs=3, h=4, step_size=1)))
    place = page.cells.index("smallest p")
    assert page.cells[place + 3 : place + 7] == ["0", "0", "0", "–"]


def test_p_values_of_many_tests_are_adjusted() -> None:
    values = [0.01, 0.04, 0.03, 0.5, 1.0]
    literal = {}
    running = 0.0
    for place, value in enumerate(sorted(values)):
        running = max(running, min(1.0, value * (len(values) - place)))
        literal[value] = running
    np.testing.assert_allclose(adjust_holm(values), [literal[value] for value in values])
    assert adjust_holm([]).shape == (0,)


@pytest.mark.parametrize("levels", [(), (80, 97.5)])
def test_what_is_not_there_has_no_section(levels: Any) -> None:
    page = check_structure(report_page(made(n_series=1, models=("p",), levels=levels)))
    assert ("Coverage" in page.text) == bool(levels)
    for heading in ("Against the best", "Errors by series", "Fitted models",
                    "Make this page again"):
        assert heading not in page.text


def test_a_short_backtest_has_a_page() -> None:
    result = backtest({"n": Naive()}, np.arange(8.0) % 7, 2, n_windows=2)
    page = check_structure(report_page(result))
    assert "Errors by step ahead" in page.text
    assert "Errors of the best model" not in page.text


def test_a_notebook_is_shown_the_scores(result: Backtest) -> None:
    shown = Page(fragment_of(result))
    assert not shown.unclosed
    assert "coverage-80" in shown.cells
    assert EVIL in shown.cells


def test_no_series_at_all_cannot_be_drawn() -> None:
    with pytest.raises(InvalidArgumentError, match="n_pictured must be an integer >= 1"):
        report_page(made(), n_pictured=0)
