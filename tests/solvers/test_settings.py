from __future__ import annotations

import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.slabs import PerDevice
from relu_forecast.solvers import (
    BlockPricingSettings,
    InteriorPointSettings,
    ModelSettings,
    ProximalSettings,
    SelectionSettings,
    SolverSettings,
    WorkingSetSettings,
    solve,
)
from relu_forecast.solvers.pricing.blocks import price_blocks
from tests.solvers.programs import gaussian_data, window_program

FEW = SolverSettings(working_set=WorkingSetSettings(
    first_weights=1, joining_weights=1, guess_blocks=1, first_blocks=3, joining_blocks=2))
"""Few blocks to begin with, so that many join."""
HELD = {"method": "interior_point", "settings": FEW, "max_iter": 25}
LONG = {**HELD, "max_iter": 60}
PRICED = {**LONG, "tol": 3e-2}
GUESSED = {**HELD, "settings": replace(FEW, working_set=replace(
    FEW.working_set, guess_blocks=200))}
TIGHT = {**HELD, "tol": 1e-18, "max_iter": 60}
IMPATIENT = {**TIGHT, "settings": replace(FEW, working_set=replace(FEW.working_set, patience=1))}
ONE_BURST = {**HELD, "settings": replace(FEW, pricing=BlockPricingSettings(most_bursts=1))}
PROXIMAL = {"method": "proximal", "tol": 1e-5, "max_iter": 3}
LONGER = {**PROXIMAL, "max_iter": 8}
FEWER = {**PROXIMAL, "settings": SolverSettings(proximal=ProximalSettings(first_blocks=3))}
FREE = {**PROXIMAL, "activation": "gated_relu", "n": 400, "n_patterns": 8, "max_iter": 30}
STALLED = {**FREE, "tol": 1e-17}
ALTERED = {
    "interior_point.step_back": (0.5, HELD), "interior_point.jitter": (1e4, HELD),
    "working_set.first_weights": (10**4, HELD), "working_set.first_blocks": (1, HELD),
    "working_set.joining_weights": (10**4, HELD), "working_set.joining_blocks": (1, HELD),
    "working_set.most_weights": (40, {**LONG, "method": "auto"}),
    "working_set.guess_blocks": (9, GUESSED), "working_set.guess_steps": (1, GUESSED),
    "working_set.negligible": (1.0, HELD), "working_set.lift": (0.5, HELD),
    "working_set.screening_gap": (0.03, HELD), "working_set.pricing_gap": (0.003, LONG),
    "working_set.final_gap": (0.1, PRICED), "working_set.screening_ratio": (0.3, HELD),
    "working_set.violation": (1e7, LONG), "working_set.restart_gap": (0.2, HELD),
    "working_set.check_every": (PerDevice(3, 4), HELD), "working_set.patience": (1, TIGHT),
    "working_set.far_patience": (1, HELD), "working_set.far_gap": (1e-30, IMPATIENT),
    "pricing.tol": (0.9, PRICED), "pricing.violation_tol": (1e3, PRICED),
    "pricing.relaxation_tol": (1e9, PRICED), "pricing.relaxation_violation_tol": (5e-4, PRICED),
    "pricing.most_rounds": (1, PRICED), "pricing.inwards": (0.1, PRICED),
    "pricing.inside": (0.3, PRICED), "pricing.segment": (8000, PRICED),
    "pricing.fewest_joining": (160, PRICED), "pricing.spare": (1, PRICED),
    "pricing.burst": (1, ONE_BURST), "pricing.most_bursts": (1, LONG),
    "pricing.step_back": (0.3, PRICED),
    "proximal.first_blocks": (3, PROXIMAL), "proximal.joining_blocks": (1, FEWER),
    "proximal.fewest_blocks": (10**6, PROXIMAL), "proximal.screening_ratio": (0.3, PROXIMAL),
    "proximal.violation": (1e5, PROXIMAL), "proximal.pricing_gaps": ((0.5,), PROXIMAL),
    "proximal.final_gap": (0.05, FREE), "proximal.progress": (1e-9, STALLED),
    "proximal.patience": (1, STALLED), "proximal.exchange": (1e-9, FREE),
    "proximal.samples_per_column": (1, FREE), "proximal.damping": (1e-3, FREE),
    "proximal.lengths": (2, FREE), "proximal.zooms": (1, FREE),
    "proximal.model.most_rounds": (1, PROXIMAL), "proximal.model.most_steps": (1, PROXIMAL),
    "proximal.model.lift": (0.1, PROXIMAL), "proximal.model.inwards": (0.1, PROXIMAL),
    "proximal.model.floor": (0.01, PROXIMAL), "proximal.model.progress": (1e-3, LONGER),
    "proximal.model.far_patience": (1, PROXIMAL), "proximal.model.far_gap": (1.0, PROXIMAL),
    "proximal.model.exact_goal": (0.01, PROXIMAL),
    "proximal.model.sketched_goal": (1e-6, FREE), "proximal.model.squared_goal": (1e-6, FREE),
}
"""Another value of each field, and a solve that it changes."""
ELSEWHERE = {
    "selection.held_weights", "selection.cone_arrays", "selection.pricing_entries",
    "selection.most_free_samples",  # test_selection
    "interior_point.jitter_growth",  # test_method
    "pricing.boundary",  # below
    "proximal.model.patience"}  # test_conic_quadratic


def names_of(settings, prefix=""):
    for one in fields(settings):
        value = getattr(settings, one.name)
        if hasattr(value, "shares"):
            yield from names_of(value, f"{prefix}{one.name}.")
        else:
            yield prefix + one.name


def with_value(settings, names, value):
    first, rest = names[0], names[1:]
    return replace(settings, **{
        first: with_value(getattr(settings, first), rest, value) if rest else value})


@cache
def small_program(activation="relu", n=30, n_patterns=14):
    return window_program(
        n=n, lags=4, n_patterns=n_patterns, ratio=0.01, activation=activation)


class DiffersError(Exception):
    """A solve tells something else than another one did."""


def course_of(settings=FEW, activation="relu", n=30, n_patterns=14, expected=None, **options):
    """Return all that a solve tells, or its error; it may end where it tells the unexpected."""
    told = []

    def tell(*now):
        told.append(now)
        if expected is not None and told != expected[0][:len(told)]:
            raise DiffersError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            solution = solve(small_program(activation, n, n_patterns), settings=settings,
                             callback=tell, **options)
        except InvalidArgumentError as error:
            return str(error)
    return told, solution.blocks.tolist(), solution.n_iter, solution.status, solution.reason


def test_every_field_has_a_test_that_it_changes_something():
    assert set(ALTERED) | ELSEWHERE | GROUPED == set(names_of(SolverSettings()))


GROUPED = {
    name for name in names_of(SolverSettings()) if name.startswith("grouped.")} | {
    "pricing.joining_rows", "pricing.joining_groups", "pricing.used_groups", "pricing.first_width"}
"""Of blocks of many groups: see test_grouped_working_set and pricing/test_grouped."""


def unchanged():
    """Return the fields whose other value changes nothing."""
    contexts = {id(context): context for _, context in ALTERED.values()}
    before = {key: course_of(**context) for key, context in contexts.items()}
    same = []
    for name, (value, context) in ALTERED.items():
        settings = with_value(context.get("settings", FEW), name.split("."), value)
        expected = before[id(context)]
        with suppress(DiffersError):
            if course_of(**{**context, "settings": settings}, expected=expected) == expected:
                same.append(name)
    return same


@pytest.mark.long
def test_another_value_of_each_field_changes_the_course_of_a_solve():
    """In a process of its own, where no annotation is checked: hundreds of Newton steps."""
    program = "import tests.solvers.test_settings as own; print(own.unchanged())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"


def test_the_boundary_decides_which_blocks_violate():
    rows, gates = gaussian_data(9, 3)[0], gaussian_data(5, 3, 1)[0]
    masks, norm = gates @ rows.T >= 0, GroupNorm.euclidean(rows)
    narrow, wide = (
        price_blocks(rows, masks, gates, 2 * gates, norm, 1.0,
                     settings=BlockPricingSettings(boundary=share)) for share in (1e-7, 1e9))
    assert bool(narrow.violating.any())
    assert not bool(wide.violating.any())


@pytest.mark.parametrize(("kind", "name", "value", "error"), [
    (InteriorPointSettings, "step_back", 1.0, InvalidArgumentError),
    (InteriorPointSettings, "jitter", 0.0, InvalidArgumentError),
    (WorkingSetSettings, "first_blocks", 0, InvalidArgumentError),
    (WorkingSetSettings, "first_blocks", 2.5, InvalidTypeError),
    (WorkingSetSettings, "patience", True, InvalidTypeError),
    (BlockPricingSettings, "inside", 1.0, InvalidArgumentError),
    (BlockPricingSettings, "tol", float("nan"), InvalidArgumentError),
    (ModelSettings, "floor", 1.5, InvalidArgumentError),
    (ProximalSettings, "lengths", 1, InvalidArgumentError),
    (SelectionSettings, "most_free_samples", -1, InvalidArgumentError)])
def test_values_that_would_do_harm_are_named(kind, name, value, error):
    with pytest.raises(error) as caught:
        kind(**{name: value})
    assert caught.value.argument == name


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        SolverSettings().working_set = WorkingSetSettings()
