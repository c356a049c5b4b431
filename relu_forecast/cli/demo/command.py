"""The command demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    from relu_forecast.cli.demo import results  # with torch: --help does not wait for it
    from relu_forecast.cli.demo.experiment import QUICK, STAGES, Setup, run_experiment

    with session():
        output.mkdir(parents=True, exist_ok=True)
        with progress(len(STAGES)) as announce:
            experiment = run_experiment(QUICK if quick else Setup(), announce)
        results.save_results(experiment, output)
        results.save_pictures(experiment, output)
    for table in results.experiment_tables(experiment):
        OUT.print(table)
    OUT.print(results.certificate_in_words(experiment.certificate))
    OUT.print(f"Pictures and tables are in {escape(str(output.resolve()))}", soft_wrap=True)
