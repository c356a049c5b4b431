"""The command watch, against streams of the library."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from relu_forecast import load_forecaster, storage
from relu_forecast.baselines import RidgeAR
from relu_forecast.cli.options import LayoutOptions
from relu_forecast.cli.watch.output import FileOutput, StandardOutput
from relu_forecast.cli.watch.progress import Files
from relu_forecast.cli.watch.samples import SampleReader
from relu_forecast.cli.watch.watcher import Choice, Watch

WAVE = np.sin(np.arange(150) / 5)
AFTER = [0.25, -0.5, math.nan, 1.0, 0.75, -1.25, 0.5, 0.0]
HOURS = pd.date_range("2026-01-01", periods=150, freq="h")


def saved(folder: Path, data: Any, notes: dict[str, str] | None = None) -> Path:
    """A model of a wave, in a file."""
    model = RidgeAR(5).fit(data, horizon=3, intervals="split")
    model.notes_ = notes or {}
    model.save(folder / "m.safetensors")
    return folder / "m.safetensors"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return saved(tmp_path, WAVE)


@pytest.fixture
def dated(tmp_path: Path) -> Path:
    return saved(tmp_path, pd.Series(WAVE, index=HOURS))


def rows_of(output: str) -> list[dict[str, Any]]:
    """The lines of an output; NaN is no JSON."""
    def refuse(literal: str) -> None:
        raise AssertionError(literal)

    return [json.loads(line, parse_constant=refuse) for line in output.splitlines()]


def texts(values: list[float]) -> str:
    return "".join(f"{value!r}\n" for value in values)


@pytest.mark.parametrize("options", [[], ["--horizon", 2, "--level", "50,80"], ["--level", ""]])
def test_lines_are_the_readings_of_a_stream(plain: Path, options: list[Any], run: Any) -> None:
    found = rows_of(run("watch", plain, *options, sent=texts(AFTER)).stdout)
    level = {"": None, "50,80": [50, 80]}.get(options[-1] if options else "90", 90)
    stream = load_forecaster(plain).stream(n_steps=2 if len(options) > 2 else None, level=level)
    assert len(found) == len(AFTER)
    for number, (row, value) in enumerate(zip(found, AFTER, strict=True), 1):
        reading = stream.push(value)
        levels = [f"{one:g}" for one in stream.levels]
        assert row == {
            "line": number, "count": number, "sample": None if value != value else value,
            "forecast": reading.forecast.tolist(),
            "lower": dict(zip(levels, reading.lower.tolist(), strict=True)),
            "upper": dict(zip(levels, reading.upper.tolist(), strict=True)),
            "p_value": None, "score": None, "alarm": False, "onset": False, "kind": ""}


def test_what_is_unknown_is_null(tmp_path: Path, run: Any) -> None:
    RidgeAR(5).fit(WAVE, horizon=3).save(tmp_path / "bare")  # without errors to start from
    [row] = rows_of(run("watch", tmp_path / "bare", sent="1\n").stdout)
    assert row["upper"]["90"][1:] == [None, None]


@pytest.mark.parametrize(("notes", "options", "sent"), [
    ({}, [], "\ufeff# a comment\ny,z\n0.25,a\n-0.5,b\n,c\n1,d\n"),
    ({}, [], "value\n0.25\n\n-0.5\nNA\n1"),
    ({}, [], "0.25\n-0.5\n\n1\n"),
    ({}, [], 'name,"the value"\na,0.25\nb,"-0.5"\nc,nan\nd,1.0\n'),
    ({"column": "kW", "sep": ";", "decimal": ","}, [], "kW;y\n0,25;9\n-0,5;9\n;9\n1,0;9\n"),
    ({"column": "no"}, ["--column", "b", "--comment", "%"], "a,b\n9,0.25\n%\n9,-0.5\n9,\n9,1\n"),
    ({}, [], "unique_id,y\ny,0.25\nother,7\ny,-0.5\ny,\ny,1\n"),
    ({}, ["--id-col", "tag", "--series", "y"], "tag\ty\ny\t.25\nx\t7\ny\t-.5\ny\t\ny\t1\n"
     .replace("\t", ","))])
def test_samples_are_found(plain: Path, notes: dict[str, str], options: list[str], sent: str,
                           tmp_path: Path, run: Any) -> None:
    model = saved(tmp_path, WAVE, notes)
    found = rows_of(run("watch", model, *options, sent=sent).stdout)
    assert [row["sample"] for row in found] == [0.25, -0.5, None, 1.0]
    assert [row["count"] for row in found] == [1, 2, 3, 4]


BAD = {"abc": "a number, or nan", "1_0": "a number", "inf": "a sample whose sample is finite",
       "1,5": "a number", "-Infinity": "finite"}


@pytest.mark.parametrize("text", BAD)
def test_bad_lines_are_named_and_left_out_if_asked(plain: Path, text: str, run: Any) -> None:
    sent = f"0.25\n{text}\n-0.5\n"
    refused = run("watch", plain, sent=sent, code=2)
    assert "line 2 must be" in refused.stderr
    assert BAD[text] in refused.stderr
    assert len(refused.stdout.splitlines()) == 1
    kept = run("watch", plain, "--skip-bad", sent=sent)
    assert "Left out: line 2 must be" in kept.stderr
    rows = rows_of(kept.stdout)
    assert [row.pop("line") for row in rows] == [1, 3]
    expected = rows_of(run("watch", plain, sent="0.25\n-0.5\n").stdout)
    assert [row.pop("line") for row in expected] == [1, 2]
    assert rows == expected


@pytest.mark.parametrize(("sent", "told"), [
    (b"1\n\xff\n", "line 2 must be text in UTF-8"), (b"y,z\n1\n", "line 2 must be 2 fields"),
    (b"a,b\n1,2\n", "--column must be given"), (b"1,2\n", "FILE must be one number a line"),
    (b"2026-01-01 00:00,2\n", "FILE must be one number a line")])
def test_what_cannot_be_read_is_refused(plain: Path, sent: bytes, told: str, run: Any) -> None:
    assert told in run("watch", plain, sent=sent, code=2).stderr


def stamped(*hours: float, zone: str = "") -> str:
    """Rows of a time and a sample, hours after the model's last one."""
    times = [HOURS[-1] + pd.Timedelta(hours=hour) for hour in hours]
    return "ds,y\n" + "".join(f"{time}{zone},{hour / 8!r}\n"
                              for time, hour in zip(times, hours, strict=True))


def test_times_tell_what_is_missing(dated: Path, run: Any) -> None:
    rows = rows_of(run("watch", dated, sent=stamped(1, 2, 5)).stdout)
    assert [row["count"] for row in rows] == [1, 2, 5]
    assert rows[-1]["time"] == (HOURS[-1] + pd.Timedelta(hours=5)).isoformat()
    stream = load_forecaster(dated).stream()
    expected = stream.push([1 / 8, 2 / 8, math.nan, math.nan, 5 / 8]).forecast[-1]
    np.testing.assert_array_equal(rows[-1]["forecast"], expected)
    without = rows_of(run("watch", dated, "--time-col", "", sent=stamped(1, 2, 5)).stdout)
    assert [row["count"] for row in without] == [1, 2, 3]
    assert "time" not in without[0]


@pytest.mark.parametrize(("hours", "told"), [
    ((1, 2, 2, 3), "line 4 must be a sample whose time is later"),
    ((1, 2, 1, 3), "line 4 must be a sample whose time is later"),
    ((1, 2, 2.5, 3), "line 4 must be a sample whose time is a whole number of steps")])
def test_times_that_do_not_fit_are_bad_lines(dated: Path, hours: tuple[float, ...], told: str,
                                             run: Any) -> None:
    refused = run("watch", dated, sent=stamped(*hours), code=2)
    assert told in refused.stderr
    assert len(refused.stdout.splitlines()) == 2
    rows = rows_of(run("watch", dated, "--skip-bad", sent=stamped(*hours)).stdout)
    assert [(row["line"], row["count"]) for row in rows] == [(2, 1), (3, 2), (5, 3)]


@pytest.mark.parametrize(("sent", "told"), [
    (stamped(1, zone="+00:00"), "without a UTC offset"), ("ds,y\n12,1\n", "an ISO 8601"),
    ("ds,y\n,1\n", "an ISO 8601")])
def test_texts_that_are_no_times_are_bad_lines(dated: Path, sent: str, told: str, run: Any) -> None:
    message = run("watch", dated, sent=sent, code=2).stderr
    assert "line 2 must be a time as those of the model are" in message
    assert told in message


def test_times_of_other_kinds(tmp_path: Path, run: Any) -> None:
    seconds = pd.Series(WAVE, index=pd.to_timedelta(np.arange(150) / 4, unit="s"))
    model = saved(tmp_path, seconds)
    rows = rows_of(run("watch", model, sent="time,y\n37.5s,1\n38.25s,2\n").stdout)
    assert [row["count"] for row in rows] == [1, 4]
    assert rows[0]["time"] == pd.Timedelta(37.5, unit="s").isoformat()
    assert "a duration" in run("watch", model, sent="time,y\n,1\n", code=2).stderr
    model = saved(tmp_path, pd.Series(WAVE, index=np.arange(150) / 4), {"decimal": ","})
    rows = rows_of(run("watch", model, sent="time;y\n37,5;1\n38,25;2\n").stdout)
    assert [(row["time"], row["count"]) for row in rows] == [(37.5, 1), (38.25, 4)]
    assert "(a number)" in run("watch", model, sent="time;y\nx;1\n", code=2).stderr


def test_local_times_of_an_hour_that_comes_twice(tmp_path: Path, run: Any) -> None:
    times = pd.date_range("2026-10-24 19:00", periods=150, freq="h", tz="Europe/Berlin")[:6]
    model = RidgeAR(2).fit(pd.Series(WAVE[:6], index=times), horizon=1)
    model.notes_ = {"tz": "Europe/Berlin", "date_format": "%d.%m.%Y %H:%M"}
    model.save(tmp_path / "m")
    samples, state = tmp_path / "a.csv", tmp_path / "state"
    samples.write_text("time,y\n25.10.2026 01:00,1\n25.10.2026 02:00,2\n")
    rows = rows_of(run("watch", tmp_path / "m", samples, "--state", state).stdout)
    with samples.open("a") as file:
        file.write("25.10.2026 02:00,3\n25.10.2026 03:00,4\n")
    rows += rows_of(run("watch", tmp_path / "m", samples, "--state", state).stdout)
    assert [row["count"] for row in rows] == [1, 2, 3, 4]
    assert [row["time"][-6:] for row in rows] == ["+02:00", "+02:00", "+01:00", "+01:00"]


def test_each_nth_is_written(dated: Path, run: Any) -> None:
    rows = rows_of(run("watch", dated, "--every", 3, sent=stamped(1, 2, 3, 4, 5, 7, 8)).stdout)
    assert [row["count"] for row in rows] == [3, 7]  # the sixth is missing


class Verdict(NamedTuple):
    p_value: float
    score: float
    alarm: bool
    onset: bool
    kind: str


class Large:
    """Raises an alarm while the error of the next step is large."""

    def __init__(self) -> None:
        self.before = False

    def observe(self, errors: Any) -> Verdict:
        alarm, before = bool(errors[0] > 1), self.before
        self.before = alarm
        return Verdict(0.5, float(errors[0]), alarm, alarm and not before, "point" if alarm else "")

    def state(self) -> dict[str, Any]:
        return {"before": self.before}

    def restore(self, state: Any) -> None:
        self.before = state["before"]


@pytest.mark.parametrize(("alarms_only", "every", "expected"), [
    (False, 4, [3, 4, 8]), (True, 1, [3, 4])])
def test_alarms_are_written(plain: Path, tmp_path: Path, alarms_only: bool, every: int,
                            expected: list[int]) -> None:
    stream = load_forecaster(plain).stream()
    stream.monitor = Large()
    output = FileOutput(tmp_path / "out", None)
    watch = Watch(stream, SampleReader(LayoutOptions(), float, "y"), output,
                  Files(None, tmp_path / "out", None), Choice(every, alarms_only, 10, False), False)
    truth = [*stream.reading.forecast[:2], 50.0, -50.0]
    truth += [None] * 4
    for value in truth:
        sent = float(stream.reading.forecast[0] if value is None else value)
        watch.take(f"{sent!r}\n".encode())
    output.close()
    rows = rows_of((tmp_path / "out").read_text())
    assert [row["count"] for row in rows] == expected
    first = next(row for row in rows if row["count"] == 3)
    assert (first["alarm"], first["onset"], first["kind"]) == (True, True, "point")
    assert first["p_value"] == 0.5


def test_a_restart_goes_on_where_it_was(plain: Path, tmp_path: Path, run: Any) -> None:
    samples, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    output.write_text("before\n")
    command = ["watch", plain, samples, "--output", output, "--state", tmp_path / "state"]
    samples.write_text("value\n" + texts(AFTER[:3]))
    run(*command)
    with output.open("a") as file:
        file.write('{"half a li')  # as after a kill
    with samples.open("a") as file:
        file.write(texts(AFTER[3:]))
    assert "Goes on after line 4 of the input." in run(*command).stderr
    assert output.read_text() == "before\n" + run("watch", plain, samples).stdout
    run(*command)  # nothing new
    assert len(output.read_text().splitlines()) == 1 + len(AFTER)


def test_what_is_sent_goes_on_after_the_line_that_is_named(plain: Path, tmp_path: Path,
                                                           run: Any) -> None:
    whole = run("watch", plain, sent="value\n" + texts(AFTER)).stdout
    state = ["--state", tmp_path / "state"]
    parts = [run("watch", plain, *state, sent="value\n" + texts(AFTER[:3])).stdout]
    again = run("watch", plain, *state, sent=texts(AFTER[3:5]))
    assert "Goes on after line 4 of the input." in again.stderr
    assert rows_of(again.stdout)[0]["line"] == 5
    parts += [again.stdout, run("watch", plain, *state, sent=texts(AFTER[5:])).stdout]
    assert "".join(parts) == whole


def test_a_bad_line_ends_it_with_its_state(plain: Path, tmp_path: Path, run: Any) -> None:
    samples = tmp_path / "in.csv"
    samples.write_text("1\nx\n2\n")
    command = ["watch", plain, samples, "--state", tmp_path / "state"]
    run(*command, code=2)
    assert storage.load(tmp_path / "state")["lines"] == 1
    assert "line 2" in run(*command, code=2).stderr
    assert [row["sample"] for row in rows_of(run(*command, "--skip-bad").stdout)] == [2]


@pytest.mark.parametrize(("save_every", "expected"), [(1, 3), (2, 2), (10, 0)])
def test_the_state_is_written_after_so_many_lines(plain: Path, tmp_path: Path, save_every: int,
                                                  expected: int) -> None:
    """An end that nothing can be written at, as after a kill."""
    files = Files(None, None, tmp_path / "state")
    watch = Watch(load_forecaster(plain).stream(), SampleReader(LayoutOptions(), float, "y"),
                  StandardOutput(), files, Choice(1, False, save_every, False), False)

    def work() -> None:
        with watch.kept():
            for line in (b"1\n", b"2\n", b"3\n"):
                watch.take(line)
                watch.keep_if_due()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert storage.load(tmp_path / "state")["lines"] == expected


@pytest.mark.parametrize(("change", "told"), [
    (["--level", "80"], "state must be of a stream of the same model"),
    (["--horizon", "2"], "state must be of a stream of the same model"),
    (["--output", "other.jsonl"], "--output must be"),
    ("other input", "FILE must be"), ("standard input", "FILE must be"),
    ("shorter input", "FILE must be as long as"), ("shorter output", "--output must be the file"),
    ("other model", "state must be of a stream of the same model"),
    ("no state", "--state must be a file that relu-forecast watch wrote"),
    ("no data", "path must be an undamaged file")])
def test_a_state_of_something_else_is_refused(change: Any, told: str, plain: Path, tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text(texts(AFTER))
    Path("other.csv").write_text(texts(AFTER))
    run("watch", plain, "in.csv", "--output", "out.jsonl", "--state", "state")
    source, options = ["in.csv"], ["--output", "out.jsonl"]
    if isinstance(change, list):
        options = [*options, *change] if change[0] != "--output" else change
    elif change.endswith(" input"):
        source = {"other input": ["other.csv"], "standard input": []}.get(change, source)
        Path("in.csv").write_text("1\n")
    elif change == "shorter output":
        Path("out.jsonl").write_text("")
    elif change == "other model":
        saved(tmp_path, WAVE[::-1].copy())
    elif change == "no state":
        storage.save({"version": 1}, "state")
    else:
        Path("state").write_text("no state")
    assert told in run("watch", plain, *source, *options, "--state", "state", code=2).stderr


@pytest.mark.parametrize(("given", "told"), [
    (["nowhere"], "MODEL must be an existing file"), (["M", "nowhere"], "FILE must be"),
    (["M", "--follow"], "--follow must be left out"), (["M", "--level", "a"], "--level must be"),
    (["M", "--output", "no/a"], "--output must be"), (["M", "--state", "no/a"], "--state must be"),
    (["M", "--every", "2", "--alarms-only"], "--every must be left out"),
    (["M", "--series", "b"], "unique_id must be"), (["M", "--level", "0.9"], "level must be")])
def test_what_cannot_be_is_refused(plain: Path, given: list[str], told: str, run: Any) -> None:
    result = run("watch", *[str(plain) if part == "M" else part for part in given], code=2, sent="")
    assert told in result.stderr


def test_a_series_of_several(tmp_path: Path, run: Any) -> None:
    frame = pd.DataFrame({"unique_id": np.repeat(["a", "b"], 150), "ds": [*range(150)] * 2,
                          "y": np.concatenate([WAVE, -3 * WAVE])})
    model = RidgeAR(5).fit(frame, horizon=1)
    model.save(tmp_path / "m")
    assert "as there are several" in run("watch", tmp_path / "m", sent="1\n", code=2).stderr
    sent = "unique_id,ds,y\na,150,1\nb,150,2\n"
    [row] = rows_of(run("watch", tmp_path / "m", "--series", "b", sent=sent).stdout)
    assert row["sample"] == 2
    assert row["forecast"] == model.stream("b").push(2.0).forecast.tolist()
