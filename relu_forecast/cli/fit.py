"""The command fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_forecast.cli import options
from relu_forecast.cli.documents import print_document, print_table
from relu_forecast.cli.files import MODEL_SUFFIX, Source, check_writable, say_written
from relu_forecast.cli.models import build_models, check_names
from relu_forecast.cli.session import progress, session, unfinished

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it

_HEADINGS = {"n_samples": "samples", "beta_ratio": "ratio", "skip_penalty": "ridge",
             "n_neurons": "neurons", "gap": "gap", "scope": "scope of the gap"}
_OF_MEMBERS = ("member", "neurons", "gap", "error", "weight")


def fit_file(
    file: options.File,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model, a file that ends in "
                                                                f"{MODEL_SUFFIX}.")],
    model: options.Model = "relu",
    *,
    parameters: options.ModelOptions,
    data: options.DataOptions,
    horizon: Annotated[int | None, typer.Option(
        help="Samples that forecasts will be asked for; relu, --strategy direct or joint, nlinear, "
             "analogs and --intervals need it.")] = None,
    intervals: Annotated[str | None, typer.Option(
        help="How prediction intervals are made: split, or adaptive, for signals that drift; by "
             "default there are none.")] = None,
    n_jobs: options.NJobs = None,
    report: options.ReportOptions,
) -> None:
    """Fit one model to every series of FILE, and save it for `relu-forecast forecast`.

    Example: `relu-forecast fit load.csv --column kW --time-col hour --horizon 24 --output
    load.safetensors`

    Example: `relu-forecast fit load.csv --lags 24 --beta-ratio 0.03 --horizon 24 --intervals
    split --output load.safetensors`

    The file has the series too, and how FILE was to be read; it is read as data: no code of it is
    run.
    """
    with session(strict=report.strict) as caught:
        check_writable(output, "--output", (MODEL_SUFFIX,))
        forecaster = fit_source(file, model, parameters, data, n_jobs, to_save=True,
                                horizon=horizon, intervals=intervals)
        forecaster.notes_ = data.noted()
        forecaster.save(output)
        say_written("Model", output)
        series, members = _trainings(forecaster), getattr(forecaster, "members_", None)
        if report.json:
            parts = {} if members is None else {
                "members": members.astype(object).to_dict("records")}
            print_document({
                "command": "fit", "model": model, "output": str(output),
                "series": series.reset_index().to_dict("records"), **parts,
                "warnings": unfinished(caught)})
        elif members is not None:
            shown = members.set_index("unique_id")[list(_OF_MEMBERS)]
            print_table(shown.dropna(axis="columns", how="all"), f"Fitted {model}")
        else:
            shown = series[list(_HEADINGS)].rename(columns=_HEADINGS)
            print_table(shown.dropna(axis="columns", how="all"), f"Fitted {model}")


def fit_source(file: Path, model: str, parameters: options.ModelOptions, data: options.DataOptions,
               n_jobs: int | None = None, *, to_save: bool = False, **fitting: Any) -> Any:
    """Return a model that is fitted to a file; refuse first what could not be saved."""
    given = {**parameters.parameters(), **data.covariates()}
    check_names([model], given)
    rows = Source(file, data).read(data.columns(), data.weight_col)  # before torch is imported
    forecaster = build_models([model], given)[model]
    if to_save:
        forecaster.check_storable()
    with progress() as announce:
        announce("Fitting")
        return forecaster.fit(rows, n_jobs=n_jobs, **data.reading(), **fitting)


def _trainings(forecaster: Any) -> pd.DataFrame:
    """Return a row per series: its samples, and the network and certificate, if there is one."""
    from pandas import DataFrame

    rows = []
    for series in forecaster.panel_.series:
        state = forecaster.models_[series.unique_id]
        regressor = next(iter(getattr(state, "regressors", ())), None)
        certificate = getattr(regressor, "certificate_", None)
        rows.append({
            "unique_id": series.unique_id, "n_samples": len(series), "first": series.times[0],
            "last": series.times[-1], "beta_ratio": getattr(regressor, "beta_ratio", None),
            "skip_penalty": getattr(regressor, "skip_penalty", None),
            "n_neurons": getattr(regressor, "n_neurons_", None),
            "objective": getattr(certificate, "objective", None),
            "lower_bound": getattr(certificate, "dual_objective", None),
            "gap": getattr(certificate, "gap", None), "scope": getattr(certificate, "scope", None)})
    # As objects: whole numbers stay whole beside None.
    return DataFrame(rows, dtype=object).set_index("unique_id")
