"""Tune gradient training for the first moment at which it reaches an objective.

Run as ``python -m benchmarks.tune --n 20000 --start 10000 --target 756.51``. Prints a row per
setting, best first; what it found best is what the contests use.
"""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import dataclass

from benchmarks.instances import Spec
from benchmarks.jobs import Job, Outcome, run


def parsed() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune")
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--target", type=float, required=True)
    parser.add_argument("--optimizer", choices=["adam", "sgd", "lbfgs"], default="adam")
    parser.add_argument("--steps", type=int, nargs="+", default=[150, 200, 300, 400, 600])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-2, 2e-2, 4e-2, 8e-2])
    parser.add_argument("--neurons", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


@dataclass(frozen=True)
class Trial:
    """A setting and what came of it."""

    neurons: int
    rate: float
    steps: int
    seed: int
    outcome: Outcome

    def passage(self, target: float) -> tuple[float, str]:
        """Return the seconds to the target, infinite if never, and the step, to print."""
        for step, (seconds, objective) in enumerate(self.outcome.trace):
            if objective <= target:
                return seconds, f"{seconds:.2f} | {step}"
        return math.inf, "never | "

    def row(self, target: float) -> str:
        """Return its line of the table."""
        return (f"| {self.neurons} | {self.rate:g} | {self.steps} | {self.seed} "
                f"| {self.passage(target)[1]} | {self.outcome.objective:.7g} "
                f"| {self.outcome.seconds:.1f} | {self.outcome.cpu_seconds:.1f} |")


def main() -> None:
    """Try the grid."""
    options = parsed()
    spec, trials = Spec(options.n, 50, start=options.start), []
    for setting in itertools.product(
            options.neurons, options.rates, options.steps, options.seeds):
        trials.append(Trial(*setting, trained(spec, options.optimizer, setting, options.threads)))
        print(trials[-1].row(options.target), flush=True)
    print("\n| neurons | learning rate | steps | seed | seconds to target | at step | last "
          "| seconds | CPU seconds |\n|---|---|---|---|---|---|---|---|---|")
    trials.sort(key=lambda one: (one.passage(options.target)[0], one.outcome.objective))
    for one in trials:
        print(one.row(options.target))


def trained(
    spec: Spec, optimizer: str, setting: tuple[int, float, int, int], threads: int
) -> Outcome:
    """Return the outcome of one training."""
    neurons, rate, steps, seed = setting
    settings = {"stages": [[optimizer, steps, rate]], "neurons": neurons, "seed": seed,
                "warm_up": False}
    return run(Job("descent", spec, settings, threads, 1800.0))


if __name__ == "__main__":
    main()
