"""Pictures and pages of results; they compute nothing but what axes need.

Each ``plot_`` function draws on one Axes, given as ``ax`` or made on a figure of its own, and
returns it: ``plot_forecast(...).figure.savefig("forecast.png")``. `plot_neurons`, an atlas of many
Axes, returns its figure. Lines differ in colour, dashes and markers.
"""

from relu_forecast.plots.explanations import (
    plot_autoregression,
    plot_contributions,
    plot_neurons,
)
from relu_forecast.plots.forecasts import (
    plot_backtest,
    plot_forecast,
    plot_one_step,
    plot_step_errors,
)
from relu_forecast.plots.rankings import plot_ranking
from relu_forecast.plots.regions import plot_regions
from relu_forecast.plots.residuals import (
    plot_autocorrelation,
    plot_residual_histogram,
    plot_residual_quantiles,
    plot_residuals,
)
from relu_forecast.plots.spectra import plot_spectrum
from relu_forecast.plots.trainings import (
    plot_path_neurons,
    plot_path_objectives,
    plot_trainings,
)

__all__ = ["plot_autocorrelation", "plot_autoregression", "plot_backtest", "plot_contributions",
           "plot_forecast", "plot_neurons", "plot_one_step", "plot_path_neurons",
           "plot_path_objectives", "plot_ranking", "plot_regions", "plot_residual_histogram",
           "plot_residual_quantiles", "plot_residuals", "plot_spectrum", "plot_step_errors",
           "plot_trainings"]
