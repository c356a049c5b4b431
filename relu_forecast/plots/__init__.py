"""Pictures and pages of results; they compute nothing but what axes need."""

from relu_forecast.plots.forecasts import plot_backtest, plot_ranking
from relu_forecast.plots.inputs import Training
from relu_forecast.plots.trainings import plot_one_step, plot_trainings

__all__ = ["Training", "plot_backtest", "plot_one_step", "plot_ranking", "plot_trainings"]
