"""Who races on what. The first contestant of a contest is ours, and ratios are to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.contestants import Contest, Contestant, Goal
from benchmarks.horizon_contests import horizons
from benchmarks.instances import Activation, Spec
from benchmarks.jobs import Settings

SCNN = ".venv-scnn"
GROUP_LASSO = ".venv-grouplasso"


def all_contests() -> list[Contest]:
    """Return all contests, the quick ones first."""
    return [
        *sampled_programs(), *gated_programs(), *circular_programs(), *networks(),
        *horizons(), enumeration(), *filters(), *growth(), million(), roofline()]


def ours(spec: Spec, name: str = "relu_forecast") -> Contestant:
    """Return our contestant on a program."""
    return Contestant(name, "ours", spec)


def clarabel(spec: Spec, limit_s: float = 600.0, most_runs: int = 100) -> Contestant:
    """Return CVXPY with Clarabel at its default tolerances."""
    return Contestant("CVXPY + Clarabel", "conic", spec, ({"solver": "CLARABEL"},),
                      limit_s=limit_s, most_runs=most_runs)


def sampled_programs() -> Iterator[Contest]:
    """Yield the ReLU programs on sampled patterns."""
    for n, p in ((500, 50), (1000, 50)):
        spec = Spec(n, p)
        scs = {"solver": "SCS", "warm_up": False, "options": {
            "eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 10**7, "time_limit_secs": 120.0}}
        yield Contest(f"relu-{n}", f"Sampled ReLU program, n = {n:,}, P = {p}", (
            ours(spec), clarabel(spec),
            Contestant("CVXPY + SCS, 120 s", "conic", spec, (scs,), most_runs=1),
            Contestant("scnn, augmented Lagrangian, 120 s", "scnn", spec, (
                {"tol": 1e-6, "max_iterations": 10**6, "stop_s": 120.0, "warm_up": False},),
                environment=SCNN, most_runs=1)))
    yield Contest("relu-5000", "Sampled ReLU program, n = 5,000, P = 100", (
        ours(Spec(5000, 100)), clarabel(Spec(5000, 100), 600.0, most_runs=1)))
    yield Contest("relu-10000", "Sampled ReLU program, n = 10,000, P = 500",
                  (ours(Spec(10_000, 500)),))


def gated_programs() -> Iterator[Contest]:
    """Yield the gated ReLU programs, which are group lassos."""
    spec = Spec(10_000, 200, activation="gated_relu")
    yield Contest("gated", "Gated ReLU program, n = 10,000, P = 200",
                  (ours(spec), *_group_lassos(spec)))
    small = Spec(1000, 50, activation="gated_relu")
    yield Contest("gated-1000", "Gated ReLU program, n = 1,000, P = 50",
                  (ours(small), clarabel(small), *_group_lassos(small)))


def _group_lassos(spec: Spec) -> Iterator[Contestant]:
    """Yield the group lasso packages, each to either goal, and a plain FISTA."""
    tolerances: dict[Goal, dict[str, tuple[float, ...]]] = {
        "objective": {"adelie": (1e-10, 1e-11, 1e-12), "skglm": (1e-4, 3e-5, 1e-5, 1e-6),
                      "celer": (1e-5, 3e-6, 1e-6, 1e-7)},
        "gap": {"adelie": (1e-16, 1e-17, 1e-18), "skglm": (1e-6, 1e-7, 1e-8),
                "celer": (1e-9, 1e-10, 1e-11, 1e-12)}}
    meanings = {"objective": "objective within 1e-6", "gap": "gap 1e-6"}
    for goal, packages in tolerances.items():
        for name, tried in packages.items():
            path = {"path": 10} if name == "adelie" else {}
            yield Contestant(f"{name}, {meanings[goal]}", name, spec,
                             tuple({"tol": tol, **path} for tol in tried), goal, GROUP_LASSO,
                             limit_s=400.0, most_runs=3)
    yield Contestant(
        "scnn, R-FISTA, 200 s", "scnn", spec,
        ({"tol": 1e-15, "max_iterations": 10**6, "stop_s": 200.0, "warm_up": False},),
        environment=SCNN, most_runs=1)
    yield Contestant(
        "FISTA", "fista", spec, ({"tol": 1e-6, "max_iterations": 10_000, "check_every": 50},),
        limit_s=600.0, most_runs=1)


def circular_programs() -> Iterator[Contest]:
    """Yield the circular convolutional programs of 64 lags."""
    spec = Spec(5000, 100, lags=64, circular=True)
    yield Contest("circular", "Circular program, d = 64, n = 5,000, P = 100", (ours(spec),))
    small = Spec(1500, 30, lags=64, circular=True)
    yield Contest("circular-1500", "Circular program, d = 64, n = 1,500, P = 30",
                  (ours(small), clarabel(small, most_runs=1)))
    tiny = Spec(400, 15, lags=64, circular=True)
    yield Contest("circular-400", "Circular program, d = 64, n = 400, P = 15",
                  (ours(tiny), clarabel(tiny)))


def networks() -> Iterator[Contest]:
    """Yield the trainings of whole networks; settings are those that `tune` found."""
    yield Contest("network-1000", "Network, n = 1,000", (
        _our_network(Spec(1000, 50)), *_gradients(Spec(1000, 50), {
            **{f"Adam + L-BFGS{kind}, seed {seed}": {**_training(
                100, ("adam", 3000, 2e-2), ("lbfgs", 5000, 1.0), seed=seed), "written_out": out}
                for kind, out in (("", False), (", gradients written out", True))
                for seed in range(3)},
            "Adam": _training(100, ("adam", 600, 2e-2)),
            "L-BFGS": _training(50, ("lbfgs", 3000, 1.0), seed=1),
            "SGD": _training(100, ("sgd", 300, 1e-2))})), targets=(40.597,))
    middle = Spec(20_000, 50, start=10_000)
    yield Contest("network-20000", "Network, n = 20,000", (
        _our_network(middle), *_gradients(middle, {
            "Adam, 100 neurons": _training(100, ("adam", 600, 4e-2)),
            "Adam, 30 neurons": _training(30, ("adam", 800, 4e-2)),
            "Adam, 2,500 steps": _training(100, ("adam", 2500, 2e-2)),
            **{f"L-BFGS, 50 neurons, seed {seed}": _training(
                50, ("lbfgs", 1500, 1.0), seed=seed) for seed in range(3)},
            "SGD": _training(30, ("sgd", 60, 1e-2))}, most_runs=2)), targets=(756.51, 756.450))
    large = Spec(200_000, 50)
    yield Contest("network-200000", "Network, n = 200,000", (
        _our_network(large), *_gradients(large, {
            "Adam, 100 neurons": _training(100, ("adam", 600, 4e-2)),
            "Adam, 30 neurons": _training(30, ("adam", 800, 4e-2)),
            "L-BFGS, 50 neurons": _training(50, ("lbfgs", 600, 1.0))}, most_runs=1)),
        shares=(8.6e-5, 6.6e-6))


def _training(neurons: int, *stages: tuple[str, int, float], seed: int = 0) -> Settings:
    """Return the settings of `adapters.descent`."""
    return {"stages": [list(stage) for stage in stages], "neurons": neurons, "seed": seed,
            "warm_up": False}


def _our_network(spec: Spec) -> Contestant:
    """Return our training."""
    return Contestant("relu_forecast", "ours_network", spec, ({"tol": 1e-5},), limit_s=1800.0)


def _gradients(
    spec: Spec, settings: dict[str, Settings], most_runs: int = 3
) -> Iterator[Contestant]:
    """Yield trainings by gradients."""
    for name, one in settings.items():
        yield Contestant(name, "descent", spec, (one,), limit_s=900.0, most_runs=most_runs)


def enumeration() -> Contest:
    """Return the enumeration of all patterns in the plane; the result is their number."""
    return Contest("enumeration", "All patterns of 20,000 samples in the plane", (
        Contestant("enumeration at rank 2 (their number)", "enumeration",
                   rungs=({"n": 20_000},)),))


def filters() -> Iterator[Contest]:
    """Yield convolutional networks of few taps, proven optimal over all networks."""
    for n, n_patches, size in ((500, 14, 2), (100, 8, 3)):
        data = {"n": n, "n_patches": n_patches, "filter_size": size}
        yield Contest(f"filters-{size}", f"Filters of {size} taps, n = {n}, K = {n_patches}", (
            Contestant("relu_forecast, proven over all networks", "filters",
                       rungs=({**data, "method": "convex"},)),
            Contestant("L-BFGS 1,000 steps", "filters", rungs=(
                {**data, "method": "lbfgs", "steps": 1000, "neurons": 30},))))


def growth() -> Iterator[Contest]:
    """Yield sweeps of one size at a time, all else being n = 4,000, P = 100 and d = 15."""
    activations: tuple[Activation, ...] = ("relu", "gated_relu")
    for activation in activations:
        base = Spec(4000, 100, activation=activation)
        sweeps = {
            "n": {size: replace(base, n=size) for size in (1000, 3000, 10_000, 30_000, 100_000)},
            "P": {size: replace(base, n_patterns=size) for size in (25, 50, 100, 200, 400)},
            "d": {size: replace(base, lags=size) for size in (5, 10, 20, 40, 80)}}
        for letter, specs in sweeps.items():
            yield Contest(
                f"growth-{letter}-{activation}", f"Growth in {letter}, {activation}",
                tuple(ours(spec, f"{letter} = {size:,}") for size, spec in specs.items()),
                sizes=tuple(map(float, specs)))


def million() -> Contest:
    """Return the gated program on a million windows, for its memory."""
    spec = Spec(1_000_000, 512, activation="gated_relu")
    return Contest("million", "Gated ReLU program, n = 1,000,000, P = 512",
                   (Contestant("relu_forecast", "ours", spec, limit_s=1800.0, most_runs=1),))


def roofline() -> Contest:
    """Return the shares of the matrix product rate."""
    rungs = ({"size": 2048, "repeats": 9},)
    return Contest("roofline", "Share of the matrix product rate", tuple(
        Contestant(f"{spec.activation}, n = {spec.n:,}, P = {spec.n_patterns}", "roofline", spec,
                   rungs)
        for spec in (Spec(5000, 25), Spec(5000, 100),
                     Spec(10_000, 200, activation="gated_relu"))))
