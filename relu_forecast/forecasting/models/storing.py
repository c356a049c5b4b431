"""How forecasters are kept as data: their parameters, and all that `fit` and `predict` learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from relu_forecast.forecasting.data.panel import Panel
from relu_forecast.forecasting.evaluation.walk_forward import shortest_fit
from relu_forecast.storage import (
    COUNT,
    VALUE,
    Declaration,
    Fields,
    Kind,
    Many,
    Maybe,
    Named,
    Of,
    Whole,
    declare,
    with_parameters,
)

if TYPE_CHECKING:
    from relu_forecast.forecasting.models.forecaster import Forecaster


def declare_forecaster(kept: type[Forecaster]) -> None:
    """Declare how forecasters of a class are kept: all alike, their states being values."""
    declare(kept, Declaration(_kinds, _parts_of, _restored))


def _kinds() -> Mapping[str, Kind]:
    """Return the kinds of parameters and of what was fitted; states are in the panel's order."""
    calibration = Fields({"series": COUNT, "fit_stop": Whole(1), "state": VALUE})
    fitted = Fields({"panel": Of(Panel), "horizon": Maybe(Whole(1)), "models": Many(VALUE),
                     "calibrations": Many(calibration)})
    return {"parameters": Named(VALUE), "fitted": Maybe(fitted)}


def _parts_of(forecaster: Forecaster) -> Mapping[str, Any]:
    """Return parameters and what was fitted, None where nothing was."""
    parameters = forecaster.get_params(deep=False)
    if not hasattr(forecaster, "panel_"):
        return {"parameters": parameters, "fitted": None}
    position = {series.unique_id: i for i, series in enumerate(forecaster.panel_.series)}
    calibrations = [
        {"series": position[unique_id], "fit_stop": fit_stop, "state": state}
        for (unique_id, fit_stop), state in forecaster.calibrations_.items()]
    return {"parameters": parameters, "fitted": {
        "panel": forecaster.panel_, "horizon": getattr(forecaster, "horizon_", None),
        "models": [forecaster.models_[unique_id] for unique_id in position],
        "calibrations": calibrations}}


def _restored(kept: type[Forecaster], parts: dict[str, Any]) -> Forecaster:
    """Return a forecaster, after checks that all of it belongs together."""
    forecaster: Forecaster = with_parameters(kept, parts["parameters"])
    forecaster.check_parameters()
    if parts["fitted"] is None:
        return forecaster
    panel, models = parts["fitted"]["panel"], parts["fitted"]["models"]
    _check_panel(forecaster, panel)
    if len(models) != len(panel.series):
        raise ValueError("there must be one model per series")
    forecaster.panel_, forecaster.horizon_ = panel, parts["fitted"]["horizon"]
    forecaster.models_, forecaster.calibrations_ = {}, {}
    for i, (series, model) in enumerate(zip(panel.series, models, strict=True)):
        with _located(f"models/{i}"):
            forecaster.check_state(model, len(series))
        forecaster.models_[series.unique_id] = model
    for i, each in enumerate(parts["fitted"]["calibrations"]):
        with _located(f"calibrations/{i}"):
            series = panel.series[each["series"]]
            forecaster.check_state(each["state"], len(series))
        forecaster.calibrations_[series.unique_id, each["fit_stop"]] = each["state"]
    # Only now: what a fit needs is known of parameters that agree with the states.
    needed = shortest_fit(forecaster, 1, None)
    if min(map(len, panel.series)) < needed:
        raise ValueError(f"the panel must be of series of {needed} samples at least")
    return forecaster


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Say in the message of any error which state it is about."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{where}: {error}") from error


def _check_panel(forecaster: Forecaster, panel: Panel) -> None:
    """Refuse series that the forecaster cannot have been fitted to."""
    used = forecaster.covariates
    if panel.reading.covariates != (*used.past, *used.future):
        raise ValueError(f"the panel must be of columns {(*used.past, *used.future)}")
    panel.columns.check_free(forecaster.alias, "alias")
    for series in panel.series:
        series.samples(used)
