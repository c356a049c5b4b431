"""Models by the names that people type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Its names are imported on first use: --help does not wait for torch.
import relu_forecast as package
from relu_forecast.exceptions import InvalidArgumentError

MODELS: Mapping[str, Callable[[], Any]] = {
    "relu": lambda: package.ReLUForecaster(),
    "ar": lambda: package.baselines.LinearAR(),
    "ridge": lambda: package.baselines.RidgeAR(),
    "lasso": lambda: package.baselines.LassoAR(),
    "nlinear": lambda: package.baselines.NLinear(),
    "analogs": lambda: package.baselines.Analogs(),
    "autoreg": lambda: package.baselines.AutoReg(),
    "arima": lambda: package.baselines.ARIMA(),
    "ets": lambda: package.baselines.ETS(),
    "theta": lambda: package.baselines.Theta(),
    "boosting": lambda: package.baselines.GradientBoosting(),
    "naive": lambda: package.baselines.Naive(),
    "seasonal": lambda: package.baselines.SeasonalNaive(season_length=1),
    "drift": lambda: package.baselines.Drift(),
    "adam": lambda: package.baselines.NonconvexNetwork(optimizer="adam"),
    "sgd": lambda: package.baselines.NonconvexNetwork(optimizer="sgd"),
    "lbfgs": lambda: package.baselines.NonconvexNetwork(optimizer="lbfgs"),
}
"""What makes each model, with its default parameters."""
OPTIONS: Mapping[str, str] = {"random_state": "--seed", "k": "--neighbours"}
"""Options that have another name than the parameter that they give."""


def build_models(names: Sequence[str], given: Mapping[str, Any],
                 shared: Sequence[str] = ()) -> dict[str, Any]:
    """Return models by name, each with those of the given parameters that it has.

    An unknown name is refused, and so is a parameter that no model has, unless it is one of
    ``shared``: those matter to more than the models.
    """
    check_names(names, given)
    models = {name: MODELS[name]() for name in names}
    known = {name: model.get_params(deep=False) for name, model in models.items()}
    for parameter in given:
        if parameter not in shared and not any(parameter in own for own in known.values()):
            raise InvalidArgumentError(
                option_of(parameter), f"left out with {', '.join(names)}, where nothing uses it",
                str(given[parameter]), "Leave it out, or pick another model.")
    for name, model in models.items():
        model.set_params(**{key: value for key, value in given.items() if key in known[name]})
    return models


def option_of(parameter: str) -> str:
    """Return the option that gives a parameter."""
    return OPTIONS.get(parameter, f"--{parameter.replace('_', '-')}")


def check_names(names: Sequence[str], given: Mapping[str, Any]) -> None:
    """Refuse unknown models, none, and a season of unknown length; nothing slow is imported."""
    unknown = [name for name in names if name not in MODELS]
    if unknown or not names:
        raise InvalidArgumentError("models", f"from {', '.join(MODELS)}", ", ".join(unknown),
                                   "Pick some of these, separated by commas.")
    if "seasonal" in names and "season_length" not in given:
        raise InvalidArgumentError(
            "--season-length", "given for the model seasonal", "none",
            "Pass how many samples a season has, such as --season-length 24.")
