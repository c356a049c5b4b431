"""The command report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_forecast.cli import files, options
from relu_forecast.cli.documents import print_document
from relu_forecast.cli.evaluation import Walk, WalkOptions, scores_document, walk_file
from relu_forecast.cli.session import progress, session

if TYPE_CHECKING:
    from relu_forecast.plots.cards import ModelCard


def report_file(
    context: Any,
    file: options.File,
    horizon: options.Horizon = 10,
    *,
    walk: WalkOptions,
    bands: options.IntervalOptions,
    parameters: options.ModelOptions,
    data: options.DataOptions,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.",
                                         rich_help_panel="Output")] = Path("report.html"),
    pictures: Annotated[int, typer.Option(min=1, help="Series that are drawn, the first ones; all "
                                                      "are in the tables.",
                                          rich_help_panel="Output")] = 6,
    report: options.ReportOptions,
) -> None:
    """Walk models forward through FILE, as backtest does, and write one page about it.

    Example: `relu-forecast report load.csv --models relu,ets,theta --horizon 24 --season-length 24
    --level 80,95 --output load.html`

    The page needs no other, and asks for nothing: models by their errors, the best tested against
    the others (Diebold-Mariano), errors by step ahead and by series, pictures, and the command
    that makes it again. The model relu is fitted once more, to all of FILE, for its certificate
    and what was tried.
    """
    with session(strict=report.strict, kept=walk.kept) as caught:
        files.check_writable(output, "--output", files.PAGE_SUFFIXES)
        done = walk_file(file, horizon, walk, bands, parameters, data)
        cards = _fit_cards(done, horizon, walk, data)
        done.result.to_html(output, cards=cards, command=typed(context), n_pictured=pictures,
                            title=f"Backtest of {file.name}")
        files.say_written("Page", output)
        if report.json:
            print_document({"command": "report", "page": output,
                            **scores_document(done.result, caught)})


def _fit_cards(done: Walk, horizon: int, walk: WalkOptions,
               data: options.DataOptions) -> list[ModelCard]:
    """Fit the models that choose among members to all samples, and return their cards."""
    from relu_forecast.forecasting.models.card import card_of

    chosen = {name: model for name, model in done.models.items()
              if hasattr(type(model), "members_")}
    cards = []
    with progress(len(chosen)) as announce:
        for name, model in chosen.items():
            announce(f"Fitting {name} to all samples")
            model.set_params(alias=name)
            cards.append(card_of(model.fit(done.rows, horizon=horizon, n_jobs=walk.n_jobs,
                                           **data.reading())))
    return cards


def typed(context: Any) -> str:
    """Return the command of a `typer.Context` as it was typed, quoted for a shell."""
    words = ["relu-forecast", context.info_name or ""]
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[parameter.name or ""]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            words += [parameter.opts[0], str(value)]
    return shlex.join(words)
