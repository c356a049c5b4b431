"""Files that commands read and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from relu_forecast.cli.options import SeriesOptions
from relu_forecast.cli.session import ERR
from relu_forecast.datasets.files import TABLE_SUFFIXES, check_parquet, check_table_file
from relu_forecast.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd  # a command that refuses its file does not wait for it

MODEL_SUFFIX = ".safetensors"
PAGE_SUFFIXES = (".html", ".htm")
PICTURE_SUFFIXES = (".png", ".pdf", ".svg")


@dataclass(frozen=True)
class Source:
    """A file of series, and where its values and times are."""

    file: Path
    columns: SeriesOptions
    """Names of its columns."""

    def check(self) -> None:
        """Refuse a file that is missing or of another kind, before anything slow is imported."""
        check_table_file(self.file)
        self.columns.layout()

    def read(self, covariates: tuple[str, ...], weight: str | None = None) -> pd.DataFrame:
        """Return values and further columns, a row per sample; ``weight`` is one of these."""
        return self._settled(self._values(covariates), self.columns.missing, weight)

    def read_after(self, panel: Any, covariates: tuple[str, ...]) -> pd.DataFrame:
        """Return values and further columns of samples that follow those of a panel."""
        rows = self._following(self._values(covariates), panel)
        if self.columns.regular is not None:
            from relu_forecast.datasets.regular import regular_rows

            ends = {series.unique_id: series.times[-1] for series in panel.series
                    if _kind(series.times.dtype) == _kind(rows["ds"].dtype)}
            before = rows.attrs["absent"]
            rows = regular_rows(rows, self.columns.layout().regular, ends)
            rows.attrs["absent"] += before
        return self._settled(rows, panel.reading.missing, panel.reading.weight)

    def read_ahead(self, panel: Any, covariates: tuple[str, ...]) -> pd.DataFrame:
        """Return columns that are known ahead, at times that follow those of a panel."""
        if not covariates:
            raise InvalidArgumentError(
                "--future", "left out for a model that knows no columns ahead", str(self.file),
                "Fit with --future-exog and the names of its columns.")
        rows = replace(self, columns=replace(self.columns, regular=None))._read(
            {name: name for name in covariates})
        return self._following(rows, panel)

    def _values(self, covariates: tuple[str, ...]) -> pd.DataFrame:
        """Return the column of values, as y, and further columns."""
        taken = ({"unique_id", "ds", "y"} | {self.columns.column or "y"}) & set(covariates)
        if taken:
            raise InvalidArgumentError(
                "--future-exog, --past-exog and --weight-col",
                "columns beside the values and times",
                ", ".join(sorted(taken)), "Rename the column in the file.")
        return self._read({"y": self.columns.column, **{name: name for name in covariates}})

    def _read(self, columns: Mapping[str, str | None]) -> pd.DataFrame:
        """Return some columns of the file under other names, with identifiers and times."""
        self.check()
        from relu_forecast.datasets.tables import read_columns

        return read_columns(self.file, columns, self.columns.layout())

    def _settled(self, rows: pd.DataFrame, missing: str | None, weight: str | None) -> pd.DataFrame:
        """Return rows in which absent ones weigh nothing; refuse absent ones if none may miss."""
        count = rows.attrs.get("absent", 0)
        if not count:
            return rows
        absent = rows.drop(columns=["unique_id", "ds"]).isna().all(axis=1)
        if missing in (None, "error"):
            raise InvalidArgumentError(
                "--missing", "interpolate or skip where rows are absent from the --regular grid",
                f"{count} absent rows, the first at {rows.loc[absent, 'ds'].iloc[0]}",
                "Add --missing interpolate, say.")
        return rows if weight is None else rows.assign(**{weight: rows[weight].mask(absent, 0.0)})

    def _following(self, rows: pd.DataFrame, panel: Any) -> pd.DataFrame:
        """Give rows the identifier and times of a panel where their file has none."""
        if len(panel.series) == 1 and (rows["unique_id"] == self.file.stem).all():
            rows = rows.assign(unique_id=panel.ids[0])
        if not rows.attrs["numbered"]:
            return rows
        # Row numbers, as those of a file without times are, go on from the fitted ones.
        next_row = {series.unique_id: series.times[-1] + 1 for series in panel.series
                    if series.times.dtype.kind in "iu"
                    and int(series.times[-1] - series.times[0]) == len(series.times) - 1}
        first = rows["unique_id"].map(next_row)
        place = rows.groupby("unique_id", observed=True).cumcount()
        if (first > place).all() and (rows["ds"] == place).all():
            rows = rows.assign(ds=place + first.astype("int64"))
        return rows


def _kind(dtype: Any) -> tuple[str, bool]:
    """Return what tells times that can be compared: numbers, dates with and without a zone, ..."""
    return dtype.kind.replace("u", "i").replace("f", "i"), getattr(dtype, "tz", None) is None


def check_writable(path: Path | None, option: str, suffixes: tuple[str, ...]) -> None:
    """Refuse a file of another kind, or in a folder that is not there, before any work is done."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise InvalidArgumentError(option, "a file in an existing folder", repr(str(path)),
                                   "Create the folder first, or name another.")
    if path.suffix.lower() not in suffixes:
        raise InvalidArgumentError(option, f"a file that ends in {', '.join(suffixes)}",
                                   repr(str(path)), "Give it one of these endings.")


def check_table_writable(path: Path | None) -> None:
    """Refuse an ``--output`` that no table can be written to, before any work is done."""
    check_writable(path, "--output", TABLE_SUFFIXES)
    if path is not None:
        check_parquet(path)


def write_table(rows: pd.DataFrame, path: Path) -> None:
    """Write rows to a CSV or Parquet file, and say so."""
    from relu_forecast.datasets.tables import write_rows

    write_rows(rows, path)
    say_written(f"{len(rows)} rows", path)


def say_written(what: str, path: Path) -> None:
    """Say on standard error what was written where."""
    ERR.print(f"{what} written to {escape(str(path))}", soft_wrap=True, highlight=False)
