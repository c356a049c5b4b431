"""The command demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from relu_forecast.cli.session import OUT, progress, session


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures and "
                                                                "tables.")] = Path("demo_output"),
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the work, to see that it "
                                                        "runs.")] = False,
) -> None:
    """Train on the shipped ECG, walk forward against every baseline, and draw the results.

    Example: `relu-forecast demo --output demo_output`
    """
    from relu_forecast.cli.demo import experiment as report

    with session():
        output.mkdir(parents=True, exist_ok=True)
        with progress(len(report.STAGES)) as announce:
            experiment = report.run_experiment(report.QUICK if quick else report.Setup(), announce)
        report.save_results(experiment, output)
        _save_pictures(experiment, output)
    for table in report.experiment_tables(experiment):
        OUT.print(table)
    OUT.print(report.certificate_in_words(experiment.certificate))
    OUT.print(f"Pictures and tables are in {escape(str(output.resolve()))}", soft_wrap=True)


def _save_pictures(experiment: Any, output: Path) -> None:
    """Draw the demo's four pictures."""
    from relu_forecast import plots
    from relu_forecast.cli.demo import experiment as report

    shown = [report.CONVEX, report.LINEAR, "Adam", "SGD"]
    fit = experiment.training_fit[["ECG", *shown]]
    figures = {
        "training_fit.png": plots.plot_one_step(fit, "Training fit, one step ahead"),
        "one_step_forecasts.png": plots.plot_one_step(
            experiment.one_step(shown), "One-step forecasts of unseen samples"),
        "multi_step_forecasts.png": plots.plot_backtest(
            experiment.backtest, shown, unit="mV"),
        "training_objective.png": plots.plot_trainings(
            experiment.networks, experiment.certificate),
    }
    for name, figure in figures.items():
        figure.savefig(output / name, dpi=130)
