"""What the commands that walk models forward through a file share: their options and the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import relu_forecast as package
from relu_forecast.cli import files, options
from relu_forecast.cli.models import MODELS, build_models, check_names
from relu_forecast.cli.session import progress

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it

    from relu_forecast.cli.session import Warned
    from relu_forecast.forecasting import Backtest


@dataclass(frozen=True)
class WalkOptions:
    """Which models walk forward, and over which cutoffs."""

    models: Annotated[str, typer.Option(
        help=f"Comma-separated, from {', '.join(MODELS)}.", rich_help_panel="Model",
    )] = "relu,ar,ridge,naive"
    n_windows: Annotated[int | None, typer.Option(
        help="Cutoffs per series; by default the second half's.")] = None
    step_size: Annotated[int | None, typer.Option(
        help="Samples between cutoffs; by default the horizon.")] = None
    input_size: Annotated[int | None, typer.Option(
        help="Train on a sliding window of this many samples; by default on all.")] = None
    gap: Annotated[int, typer.Option(
        help="Samples left out between a cutoff and the first one that is forecast.")] = 0
    refit: Annotated[str, typer.Option(
        help="true, false, or k: refit at every k-th cutoff.")] = "false"
    checkpoint: Annotated[Path | None, typer.Option(
        help="File that keeps what is done: after an interruption the same command goes "
             "on.")] = None
    n_jobs: options.NJobs = None

    @property
    def names(self) -> tuple[str, ...]:
        """The models that are wanted."""
        return options.parse_names(self.models)

    @property
    def kept(self) -> str:
        """What is left of the run after an interruption, in words."""
        if self.checkpoint is None:
            return "Nothing is kept; with --checkpoint FILE, what is done would be."
        return f"{self.checkpoint} keeps what is done: the same command goes on from there."


@dataclass(frozen=True)
class Walk:
    """Models that have walked forward."""

    result: Backtest
    models: dict[str, Any]
    """As they were built, not fitted."""
    rows: pd.DataFrame
    """The samples of the file."""


def walk_file(file: Path, horizon: int, walk: WalkOptions, bands: options.IntervalOptions,
              parameters: options.ModelOptions, data: options.DataOptions) -> Walk:
    """Walk models forward through a file."""
    given = {**parameters.parameters(), **data.covariates()}
    check_names(walk.names, given)
    rows = files.Source(file, data).read(data.columns(), data.weight_col)  # before torch
    with progress() as announce:
        announce("Backtesting")
        models = build_models(walk.names, given, shared=["season_length"])
        result = package.backtest(
            models, rows, horizon, n_windows=walk.n_windows, step_size=walk.step_size,
            input_size=walk.input_size, gap=walk.gap, refit=options.parse_refit(walk.refit),
            season_length=given.get("season_length", 1), n_jobs=walk.n_jobs, verbose=True,
            checkpoint=walk.checkpoint, **bands.parse(), **data.reading())
    return Walk(result, models, rows)


def scores_document(result: Any, caught: Warned) -> dict[str, Any]:
    """Return scores and seconds by model, for JSON."""
    from relu_forecast.cli.session import unfinished

    scores = result.scores()
    return {"models": list(result.models), "levels": list(result.levels),
            "step_size": result.step_size, "gap": result.gap,
            "n_cutoffs": len(result.predictions[["unique_id", "cutoff"]].drop_duplicates()),
            "scores": {model: scores[model].to_dict() for model in result.models},
            "seconds": result.seconds.to_dict(), "warnings": unfinished(caught)}
