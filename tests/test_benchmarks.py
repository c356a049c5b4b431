"""The benchmark suite: its instances, its judge, its races and its tables."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest
import torch

from benchmarks import bars, plots, report, startup, tune
from benchmarks.adapters import conic, descent, fista, ours, roofline, wide
from benchmarks.contestants import Contest, Contestant
from benchmarks.contests import SCNN, all_contests
from benchmarks.instances import Spec, block_norms, distinct_masks, dual_norm, record
from benchmarks.jobs import ROOT, Job, Outcome, run
from benchmarks.judge import grade_blocks, grade_network
from benchmarks.race import Result, race
from relu_forecast.datasets import load_ecg
from relu_forecast.networks.modules import ReLUNetwork

SMALL = {
    "relu": Spec(90, 6, lags=6),
    "gated": Spec(90, 6, lags=6, activation="gated_relu"),
    "circular": Spec(90, 6, lags=6, circular=True),
    "gated circular": Spec(90, 6, lags=6, activation="gated_relu", circular=True),
}
every_kind = pytest.mark.parametrize("kind", list(SMALL))


def instance_as_first_stated(n, n_patterns, ratio, lags, start):
    """The instance in the words of those who set the bars; the patterns' order is their own."""
    raw = np.load(ROOT / "data" / "ecg_mitbih_208.npz")
    x = (raw["adc"].astype(float) - raw["baseline"]) / raw["gain"]
    x = x[start : start + n + lags]
    x = (x - x.mean()) / x.std()
    X = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(x, lags)[:-1])
    y = x[lags:].copy()
    gates = np.random.default_rng(0).standard_normal((lags, n_patterns))
    masks, first = np.unique(X @ gates >= 0, axis=1, return_index=True)
    beta = ratio * max(np.linalg.norm(X.T @ (masks[:, i] * y)) for i in range(masks.shape[1]))
    return X, y, gates[:, first], masks, beta


@pytest.mark.parametrize(("n", "n_patterns", "lags", "start"),
                         [(300, 20, 15, 0), (40, 200, 2, 500), (2000, 50, 15, 10_000)])
def test_instances_are_those_of_the_bars(n, n_patterns, lags, start):
    built = Spec(n, n_patterns, 0.02, lags, start).build()
    X, y, gates, masks, beta = instance_as_first_stated(n, n_patterns, 0.02, lags, start)
    np.testing.assert_array_equal(built.X, X)
    np.testing.assert_array_equal(built.y, y)
    np.testing.assert_array_equal(built.masks, masks.T)
    np.testing.assert_array_equal(built.gates, gates.T)
    assert built.beta == pytest.approx(beta, rel=1e-12)


def test_the_betas_that_the_bars_name():
    assert Spec(1000, 50).build().beta == pytest.approx(17.3025, abs=5e-5)
    assert Spec(20_000, 50, start=10_000).build().beta == pytest.approx(450.37, abs=5e-3)


def test_a_record_longer_than_the_ecg_starts_with_it_and_never_repeats_a_window():
    ecg = load_ecg().to_numpy()
    longer = record(3 * len(ecg))
    np.testing.assert_array_equal(longer[: len(ecg)], ecg)
    np.testing.assert_array_equal(record(500), ecg[:500])
    back = longer[len(ecg) : 2 * len(ecg)][::-1]
    assert np.abs(back - ecg).std() == pytest.approx(0.005 * (1 - 2 / np.pi) ** 0.5, rel=0.02)
    windows = np.lib.stride_tricks.sliding_window_view(longer, 15)
    assert len(np.unique(windows @ np.arange(1.0, 16.0) ** 0.5)) > 0.95 * len(windows)


def test_masks_of_many_rows_are_those_of_few(monkeypatch):
    X, gates = np.random.default_rng(0).standard_normal((2, 50, 3))
    whole = distinct_masks(X, gates)
    monkeypatch.setattr("benchmarks.instances._CHUNK", 16)
    for part, same in zip(distinct_masks(X, gates), whole, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("d", [5, 6])
def test_the_dual_norm_is_attained_and_never_exceeded(circular, d):
    generator = np.random.default_rng(d)
    correlations = generator.standard_normal(d)
    waves = np.cos(2 * np.pi * np.arange(d)[:, None] * (np.arange(d) - np.arange(d)[:, None, None])
                   / d).reshape(-1, d)
    tried = np.concatenate([generator.standard_normal((3000, d)), waves, correlations[None]])
    values = tried @ correlations / block_norms(tried, circular)
    most = dual_norm(correlations, circular)
    assert values.max() <= most * (1 + 1e-12)
    if not circular:
        assert values.max() == pytest.approx(most)
    z = cp.Variable(d)
    real, imaginary = (part(np.fft.fft(np.eye(d), norm="ortho")) for part in (np.real, np.imag))
    size = cp.sum(cp.norm(cp.vstack([real @ z, imaginary @ z]), 2, axis=0)) / d**0.5
    best = cp.Problem(cp.Maximize(correlations @ z), [(size if circular else cp.norm(z)) <= 1])
    assert best.solve(solver=cp.CLARABEL) == pytest.approx(most, rel=1e-6)


@every_kind
def test_the_judge_grades_as_the_program_does(kind):
    instance = SMALL[kind].build()
    program = ours.program_of(instance)
    blocks = np.random.default_rng(1).standard_normal((program.n_blocks, 6))
    blocks[::3] = 0.0
    coordinates = program.task.architecture.coordinates(torch.from_numpy(blocks))
    grades = grade_blocks(instance, blocks)
    certificate = program.certificate(coordinates, None)
    assert grades.objective == pytest.approx(certificate.objective)
    assert grades.violation == pytest.approx(program.cone_violation(coordinates))
    if not instance.has_cones:
        assert grades.gap == pytest.approx(certificate.gap)


@every_kind
def test_conic_solvers_and_ours_agree_on_every_kind(kind):
    instance = SMALL[kind].build()
    theirs = grade_blocks(instance, conic.answer(instance, {"solver": "CLARABEL"}, 1).blocks)
    answer = ours.answer(instance, {"tol": 1e-8}, 1)
    grades = grade_blocks(instance, answer.blocks)
    assert answer.gap <= 1e-8
    assert grades.objective == pytest.approx(theirs.objective, rel=1e-6)
    assert max(grades.violation, theirs.violation) <= 1e-7
    assert answer.trace[-1][0] >= answer.trace[0][0] > 0


def test_fista_and_the_wide_matrix_solve_the_same_group_lasso():
    instance = SMALL["gated"].build()
    answer = fista.answer(instance, {"tol": 1e-6, "max_iterations": 20_000, "check_every": 50}, 1)
    grades = grade_blocks(instance, answer.blocks)
    assert grades.gap == pytest.approx(answer.trace[-1][1], rel=1e-3)
    assert grades.gap <= 1e-6
    residual = instance.y - wide.wide_matrix(instance) @ answer.blocks.ravel()
    penalty = instance.beta * np.linalg.norm(answer.blocks, axis=1).sum()
    assert grades.objective == pytest.approx(residual @ residual / 2 + penalty)
    with pytest.raises(ValueError, match="cones"):
        wide.wide_matrix(SMALL["relu"].build())
    with pytest.raises(ValueError, match="cones"):
        fista.answer(SMALL["gated circular"].build(), {}, 1)


@pytest.mark.parametrize("stages", [
    [["adam", 60, 2e-2]], [["sgd", 20, 1e-2]], [["lbfgs", 40, 1.0]],
    [["adam", 30, 2e-2], ["lbfgs", 30, 1.0]]])
def test_trainings_by_gradients_go_down_and_know_their_objective(stages):
    instance = SMALL["relu"].build()
    answer = descent.answer(instance, {"stages": stages, "neurons": 10, "seed": 0}, 1)
    hidden, output = answer.network
    seconds, values = zip(*answer.trace, strict=True)
    assert values[-1] < 0.7 * values[0]
    assert list(seconds) == sorted(seconds)
    network = ReLUNetwork(torch.from_numpy(hidden), torch.from_numpy(output))
    exact = network.objective(
        torch.from_numpy(instance.X), torch.from_numpy(instance.y), instance.beta)
    assert values[-1] == pytest.approx(exact)
    assert grade_network(instance, hidden, output).objective == pytest.approx(exact)


def test_gradients_written_out_are_those_of_automatic_differentiation():
    instance, traces = SMALL["relu"].build(), []
    for written_out in (True, False):
        settings = {"stages": [["adam", 30, 2e-2], ["lbfgs", 10, 1.0]], "neurons": 10, "seed": 0,
                    "written_out": written_out}
        traces.append([value for _, value in descent.answer(instance, settings, 1).trace])
    np.testing.assert_allclose(*traces, rtol=1e-8)


def test_the_judge_finds_the_neuron_that_an_empty_network_lacks():
    instance = SMALL["relu"].build()
    nothing = np.zeros((1, 6)), np.zeros(1)
    worst = grade_network(instance, *nothing).violation * instance.beta
    directions = np.random.default_rng(5).standard_normal((2000, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    drawn = np.abs(instance.y @ np.maximum(instance.X @ directions.T, 0)).max()
    assert drawn <= worst <= np.linalg.norm(instance.X, 2) * np.linalg.norm(instance.y)


def test_a_miniature_race_in_processes_of_their_own():
    spec, lines = Spec(60, 3, lags=4), []
    contest = Contest("small", "Small", (
        Contestant("relu_forecast", "ours", spec, most_runs=1),
        Contestant("CVXPY + Clarabel", "conic", spec, ({"solver": "CLARABEL"},)),
        Contestant("absent", "scnn", spec, environment=".venv-nowhere"),
        Contestant("broken", "conic", spec, ({"solver": "MAGIC"},))))
    results = race(contest, 2, 1, report=lines.append)
    us, clarabel, absent, broken = results
    assert len(lines) == 5
    assert (len(us.seconds), len(clarabel.seconds)) == (1, 2)
    assert us.last.objective == pytest.approx(clarabel.last.objective, rel=1e-6)
    assert 0 < us.median < 60
    assert us.last.peak_mib > clarabel.last.peak_mib > 20  # theirs imports no torch
    assert absent.last.status == "not installed: make peers"
    assert "MAGIC is not installed" in broken.last.status
    entries = {"relu-500": report.Entry("Small", {}, results)}
    text = report.markdown(entries)
    for name in ("relu_forecast", "CVXPY + Clarabel", "absent", "broken"):
        assert f"| {name} |" in text


def test_a_worker_that_does_not_end_is_stopped(monkeypatch):
    monkeypatch.setattr("benchmarks.jobs._GRACE_S", 0.0)
    outcome = run(Job("ours", Spec(60, 3), {}, 1, 0.05))
    assert outcome.status == "no answer in 0 s"
    assert not outcome.is_ok


def played(outcomes):
    """A runner that reads outcomes off a list, and the settings it was asked for."""
    asked, left = [], iter(outcomes)

    def runner(job):
        asked.append(dict(job.settings))
        return next(left)
    return runner, asked


@pytest.mark.parametrize(("goal", "expected"), [("gap", 1e-8), ("objective", 1e-6), ("", 1e-4)])
def test_peers_climb_to_the_tolerance_that_reaches_the_goal(goal, expected):
    rungs = tuple({"tol": tol} for tol in (1e-4, 1e-6, 1e-8))
    spec, here = Spec(60, 3), str(Path(sys.prefix))
    contest = Contest("c", "C", (
        Contestant("ours", "ours", spec), Contestant("peer", "ours", spec, rungs, goal, here)))
    ladder = [Outcome("ok", 1.0, 1.0, objective=10.1, gap=1e-2),
              Outcome("ok", 2.0, 2.0, objective=10.0 + 5e-6, gap=1e-4),
              Outcome("ok", 3.0, 3.0, objective=10.0, gap=1e-7)]
    ours_alone, tried = Outcome("ok", 0.5, 0.5, objective=10.0, gap=0.0), [
        rung["tol"] for rung in rungs].index(expected) + 1
    runner, asked = played([ours_alone, *ladder[:tried], ours_alone, ladder[tried - 1]])
    peer = race(contest, 2, 1, runner, lambda line: None)[1]
    assert peer.is_met
    assert [one.get("tol") for one in asked[1:]] == [
        *(1e-4, 1e-6, 1e-8)[:tried], None, expected]
    assert peer.settings == {"tol": expected}
    assert [one["settings"]["tol"] for one in peer.climb] == [1e-4, 1e-6, 1e-8][:tried]
    assert peer.seconds == [float(tried)] * 2


def test_a_peer_that_falls_short_is_said_to():
    spec = Spec(60, 3)
    contest = Contest("c", "C", (Contestant("ours", "ours", spec), Contestant(
        "peer", "ours", spec, ({"tol": 1.0}, {"tol": 0.1}), "gap")))
    loose = Outcome("ok", 1.0, 1.0, objective=10.1, gap=1e-2)
    runner, asked = played([loose, loose, loose])
    us, peer = race(contest, 1, 1, runner, lambda line: None)
    assert (us.is_met, peer.is_met, len(asked)) == (True, False, 3)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.7])
def test_exponents_are_those_of_power_laws(power):
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    assert report.exponent(sizes, 3 * sizes**power) == pytest.approx(power)
    shaken = 3 * sizes**power * np.array([1.1, 0.9, 0.9, 1.1])
    assert report.exponent(sizes, shaken) == pytest.approx(power, abs=0.2)


def entries_of_everything():
    """Made-up results of all contests."""
    trace = [(0.1, 1e3), (0.5, 756.4), (2.0, 40.5)]
    made = {}
    for contest in all_contests():
        results = [
            Result(one.name, dict(one.rungs[-1]), Outcome(
                "ok", float(i), 2.0 * i, 500.0, 40.5, 1.0, 1e-7, trace,
                {"method": "m"} if contest.sizes else {"Gflop/s": 3.0}),
                [float(i)] * 3, [2.0 * i] * 3, i != 2 or contest.name != "gated",
                [{"settings": {}, "status": "ok", "seconds": 1.0, "objective": 41.0,
                  "gap": 1e-3}])
            for i, one in enumerate(contest.contestants, start=1)]
        where = {"cores": 2, "load before": float(len(made))}
        made[contest.name] = report.Entry(contest.title, where, results)
    return made


def test_tables_of_all_contests_are_well_formed():
    entries = entries_of_everything()
    text = f"{bars.bars_table(entries)}\n\n{report.markdown(entries)}"
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == len(entries) + 1
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
        assert re.fullmatch(r"(\| --- )+\||(\|---)+\|", table[1])
    sweeps = sum(bool(contest.sizes) for contest in all_contests())
    assert len(re.findall(r"Fitted exponent: [01]\.", text)) == sweeps
    for contest in all_contests():
        assert f"### {contest.title}\n" in text


def test_results_come_back_from_their_file(tmp_path):
    entries = entries_of_everything()
    report.save(entries, tmp_path / "deep" / "results.json")
    json.loads((tmp_path / "deep" / "results.json").read_text())
    back = report.load(tmp_path / "deep" / "results.json")
    assert report.markdown(back) == report.markdown(entries)
    assert report.load(tmp_path / "none.json") == {}


def test_machines_are_told_once_with_the_range_of_their_load():
    entries = entries_of_everything()
    assert report.machines(entries) == (
        f"- cores 2; load average before a contest 0.0 to {len(entries) - 1:.1f}")
    here = report.machine(3)
    assert (here["threads"], here["torch"]) == (3, torch.__version__)


def test_bars_are_ratios_first_passages_and_limits():
    entries = entries_of_everything()
    results = {name: entry.results for name, entry in entries.items()}
    assert bars.ratio(bars.CLARABEL)(results["relu-500"]) == 2.0
    assert bars.ratio(*bars.PACKAGES)(results["gated"]) == 3.0
    assert "| adelie, objective within 1e-6 (not reached) |" in report.markdown(entries)
    assert bars.passage(756.51, "Adam")(results["network-20000"]) == 1.0
    assert bars.passage(1.0, "Adam")(results["network-20000"]) != 1.0
    assert bars.memory(results["million"]) == pytest.approx(500 / 1024)
    lines = {line.split(" | ")[0][2:]: line for line in bars.bars_table(entries).splitlines()}
    assert lines["ReLU (500, 50): times faster than Clarabel"].endswith("| >= 40 | 2 | no |")
    assert lines["ReLU (500, 50): relative gap"].endswith("| <= 1e-06 | 1e-07 | yes |")


def test_whole_runs_stand_for_peers_that_never_get_there():
    entries = entries_of_everything()
    us, peer, *_ = entries["network-1000"].results
    never = replace(peer, last=replace(peer.last, trace=[(0.1, 99.0)]))
    assert bars.passage(40.597, "Adam + L-BFGS")([us, never]) == pytest.approx(never.median / 2.0)


def test_the_picture_and_the_document_take_the_results(tmp_path):
    entries = entries_of_everything()
    plots.plot(entries, tmp_path / "gap.png")
    assert (tmp_path / "gap.png").read_bytes()[:4] == b"\x89PNG"
    document = tmp_path / "doc.md"
    document.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    for text in ("first", "second"):
        report.insert_into(document, text)
    assert document.read_text() == (
        "before\n<!-- figures: begin -->\n\nsecond\n<!-- figures: end -->\nafter\n")


def test_progress_of_networks_is_the_best_so_far():
    outcome = Outcome("ok", 1.0, trace=[(0.1, 30.0), (0.2, 40.0), (0.3, 20.0)], objective=20.0)
    points = plots.progress(Result("a", {}, outcome, [1.0], []), 10.0, True)
    assert points == [(0.1, pytest.approx(2.0)), (0.2, pytest.approx(2.0)),
                      (0.3, pytest.approx(1.0))]


def test_the_roofline_counts_a_matrix_product_as_one():
    answer = roofline.answer(SMALL["relu"].build(), {"size": 64, "repeats": 3}, 1)
    assert 0 < answer.notes["gradient share"] < 2
    assert 0 < answer.notes["Newton step share"] < 2
    program = ours.program_of(SMALL["relu"].build())
    assert roofline.gradient_operations(program) == 4 * 90 * program.n_blocks * 6
    assert roofline.newton_operations(program) > roofline.gradient_operations(program)


def test_tuning_finds_the_first_passage():
    outcome = Outcome("ok", 3.0, 3.0, objective=1.0, trace=[(0.5, 9.0), (1.5, 2.0), (2.5, 1.0)])
    trial = tune.Trial(10, 1e-2, 3, 0, outcome)
    assert trial.passage(2.0) == (1.5, "1.50 | 1")
    assert trial.passage(0.5)[1] == "never | "
    assert trial.row(2.0).count("|") == 10


def test_every_contest_has_one_name_and_an_adapter_that_is_there():
    contests = all_contests()
    assert len({one.name for one in contests}) == len(contests)
    for contest in contests:
        names = [one.name for one in contest.contestants]
        assert len(set(names)) == len(names)
        for one in contest.contestants:
            assert (ROOT / "benchmarks" / "adapters" / f"{one.adapter}.py").exists()
            assert one.environment in ("", SCNN, ".venv-grouplasso")


def test_the_document_has_its_marks():
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert text.index("<!-- figures: begin -->") < text.index("<!-- figures: end -->")


def test_startup_is_measured_of_every_command():
    seconds = startup.median_seconds(1)
    assert list(seconds) == list(startup.CASES)
    assert min(seconds.values()) > 0
