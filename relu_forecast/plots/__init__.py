"""Pictures and pages of results; they compute nothing but what axes need."""

from relu_forecast.plots.forecast import plot_forecast, plot_forecasts
from relu_forecast.plots.forecasts import plot_backtest, plot_one_step, plot_ranking
from relu_forecast.plots.page import backtest_page
from relu_forecast.plots.trainings import Training, plot_path, plot_trainings

__all__ = ["Training", "backtest_page", "plot_backtest", "plot_forecast", "plot_forecasts",
           "plot_one_step", "plot_path", "plot_ranking", "plot_trainings"]
