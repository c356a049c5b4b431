"""Check certificates of networks with many outputs against many trainings by gradients.

    python -m benchmarks.joint_theory [--instances 100] [--starts 30] [--seed 0]

Each instance is a small random problem of three targets; a convolution has two sites. Printed for
each architecture:

- scope: what the bound covers, by instances; it is proven where all neurons were priced;
- mismatch: worst relative difference between the objective that training states and that of its
  weights, evaluated here;
- gap: the largest relative one, and the least, which may not be negative;
- lowest: lowest relative excess over the lower bound that any training ended with; a negative one
  would refute the certificate;
- within 1e-3: instances whose best training came that near to the certified network, and the
  starts that did.

Objectives, gradients and trainings are those of `benchmarks.theory`, in NumPy.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.theory import KINDS, NEURONS, Array, Kind, architecture_objective, trainings
from relu_forecast.estimators import CircularCNNRegressor, ConvexCNNRegressor, ConvexReLURegressor
from relu_forecast.networks.architectures import Circular, Convolution, Dense

TARGETS, TOLERANCE = 3, 1e-6

JOINT_KINDS = {
    "dense": KINDS["dense"],
    "convolution": Kind(Convolution(3, sites="flatten"), (6, 8), (4,)),
    "circular": KINDS["circular"],
}


@dataclass(frozen=True)
class JointDuel:
    """One instance: the certified network, and where the trainings ended.

    Attributes
    ----------
    scope : str
        Of the certificate.
    stated, own, bound : float
        Objective that the training states, that of its weights, and the lower bound.
    trained : ndarray, shape (starts,)
        Objectives of the trained networks.
    """

    scope: str
    stated: float
    own: float
    bound: float
    trained: Array

    @property
    def mismatch(self) -> float:
        """Relative difference between what is stated and what the weights have."""
        return abs(self.own - self.stated) / self.own

    @property
    def gap(self) -> float:
        """Relative distance of the bound."""
        return (self.own - self.bound) / self.own

    @property
    def lowest(self) -> float:
        """Relative excess of the best training over the bound."""
        return (float(self.trained.min()) - self.bound) / self.bound

    @property
    def excess(self) -> Array:
        """Relative excess of each training over the certified network."""
        return (self.trained - self.own) / self.own


def joint_duel(kind: Kind, starts: int, seed: int) -> JointDuel:
    """Train a random instance with its certificate, and by gradients from many starts."""
    generator = np.random.default_rng(seed)
    n, d = generator.choice(kind.samples), generator.choice(kind.lags)
    X, Y = generator.standard_normal((n, d)), generator.standard_normal((n, TARGETS))
    model = _regressor(kind, float(10 ** generator.uniform(-1.5, -0.3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the gap is printed
        model.fit(X, Y)
    certificate, sites = model.certificate_, 2 if isinstance(kind.architecture, Convolution) else 1

    def objective(m: int) -> Any:
        return architecture_objective(kind.architecture, X, Y, model.beta_, m, sites)

    own = objective(model.n_neurons_)[0](_weights(model.network_))[0]
    trained = np.array(list(trainings(*objective(NEURONS), starts, seed + 1)))
    return JointDuel(certificate.scope, model.objective_, own, certificate.dual_objective, trained)


def _regressor(kind: Kind, ratio: float) -> Any:
    """Return the regressor of an architecture, without anything linear beside it."""
    settings: dict[str, Any] = {
        "beta_ratio": ratio, "tol": TOLERANCE, "linear_skip": False, "scale_targets": False,
        "random_state": 0}
    if isinstance(kind.architecture, Dense):
        return ConvexReLURegressor(fit_intercept=False, **settings)
    if isinstance(kind.architecture, Circular):
        return CircularCNNRegressor(**settings)
    return ConvexCNNRegressor(
        kind.architecture.filter_size, sites=kind.architecture.sites, fit_intercept=False,
        **settings)


def _weights(network: Any) -> Array:
    """Return all weights of a network as one vector, as `architecture_objective` reads it."""
    heads = network.output_weight
    if heads.ndim == 3:  # neurons, sites, targets
        heads = heads.transpose(0, 1)
    if hasattr(network, "pooling_weight"):
        hidden = [network.filters, network.pooling_weight]
    else:
        hidden = [weight.reshape(network.n_neurons, -1) for weight in network.hidden_weights()]
    return torch.cat([part.reshape(-1) for part in (*hidden, heads)]).detach().numpy()


def joint_row(name: str, instances: int, starts: int, seed: int) -> str:
    """Return the line of one architecture."""
    began = time.perf_counter()
    duels = [joint_duel(JOINT_KINDS[name], starts, seed + 2 * i) for i in range(instances)]
    scopes = Counter(one.scope for one in duels)
    gaps = [one.gap for one in duels]
    near = np.mean([one.excess.min() <= 1e-3 for one in duels])
    near_starts = np.mean(np.concatenate([one.excess for one in duels]) <= 1e-3)
    return (f"| {name} | {', '.join(f'{scope} {count}' for scope, count in scopes.items())} "
            f"| {max(one.mismatch for one in duels):.1e} | {max(gaps):.1e}, {min(gaps):.1e} "
            f"| {min(one.lowest for one in duels):+.1e} | {near:.0%} | {near_starts:.0%} "
            f"| {time.perf_counter() - began:.0f} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{arguments.instances} instances, {arguments.starts} starts, {NEURONS} neurons, "
          f"{TARGETS} targets\n")
    print("| architecture | scope | mismatch | gaps | lowest | within 1e-3 | starts within 1e-3 "
          "| seconds |\n|---|---|---|---|---|---|---|---|", flush=True)
    for name in JOINT_KINDS:
        print(joint_row(name, arguments.instances, arguments.starts, arguments.seed), flush=True)


if __name__ == "__main__":
    main()
