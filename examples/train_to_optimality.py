"""Train one network convexly and by Adam on the same objective, and compare where they end.

python examples/train_to_optimality.py [WINDOWS]
"""

from __future__ import annotations

import sys

from relu_forecast import ConvexReLURegressor, NonconvexReLURegressor, hankel, load_ecg


def main(n_windows: int = 1000) -> None:
    """Train on ``n_windows`` windows of 15 samples of the shipped ECG."""
    ecg = load_ecg().to_numpy()[: n_windows + 15]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), lags=15)
    convex = ConvexReLURegressor(beta_ratio=0.05, tol=1e-3).fit(X, y)
    print("convex:", convex.certificate_)
    print(f"        {convex.n_neurons_} neurons, after {convex.n_iter_} programs")
    adam = NonconvexReLURegressor("adam", beta=convex.beta_, n_steps=500).fit(X, y)
    above = adam.objective_ / convex.certificate_.dual_objective - 1
    print(f"Adam:   objective {adam.objective_:.6g}, {above:.1e} above the lower bound, "
          f"{adam.n_neurons} neurons")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
