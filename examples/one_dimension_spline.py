"""In one dimension the optimal network is a linear spline: the lecture's course-grades picture.

python examples/one_dimension_spline.py [FOLDER]

The penalty beta weighs how much the line bends. As it goes to zero the network goes through all
points, as scipy's linear interpolation does; a larger one keeps fewer knots. (Where the line
bends the same way at two points in a row there are other optima; here it never does.)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.interpolate import make_interp_spline

from relu_forecast import ConvexReLURegressor

# Made up for the picture: hours of work per week, and grade out of 100.
HOURS = np.array([2.0, 3.5, 5.0, 6.0, 8.0, 9.5, 11.0, 13.0, 14.0, 16.0])
GRADES = np.array([41.0, 54.0, 50.0, 63.0, 60.0, 77.0, 71.0, 86.0, 80.0, 93.0])
CONSTANT = 100.0


def main(folder: Path = Path(".")) -> None:
    """Fit with three penalties, compare with scipy's spline, save a picture in ``folder``."""
    # The neurons' bias is the weight of a constant input. A large constant makes it cheap, which
    # holds the knots at data points; a constant of one lets some move in between.
    x = (HOURS - HOURS.mean()) / HOURS.std()
    inputs = np.c_[x, np.full(len(x), CONSTANT)]
    grid = np.linspace(x.min(), x.max(), 400)
    spline = make_interp_spline(x, GRADES, k=1)

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    hours = HOURS.mean() + HOURS.std() * grid
    axes.plot(hours, spline(grid), color="0.6", linewidth=5, label="scipy, linear interpolation")
    for ratio in (0.3, 0.03, 1e-5):
        model = ConvexReLURegressor(beta_ratio=ratio, fit_intercept=False, tol=1e-6)
        model.fit(inputs, GRADES)
        weight = model.network_.hidden_weight.detach().numpy()
        bends = np.unique((-CONSTANT * weight[:, 1] / weight[:, 0]).round(6))
        away = np.abs(bends[:, None] - x).min(axis=1).max(initial=0.0)
        outputs = model.predict(np.c_[grid, np.full(len(grid), CONSTANT)])
        print(f"beta = {ratio:g} beta_max: {model.n_neurons_} neurons, {len(bends)} knots, the "
              f"farthest {away:.0e} from a data point; "
              f"{np.abs(outputs - spline(grid)).max():.3g} off scipy's spline at most")
        print(f"  {model.certificate_}")
        axes.plot(hours, outputs, label=rf"network, $\beta$ = {ratio:g} $\beta_{{\max}}$")
    axes.plot(HOURS, GRADES, "ko", label="data")
    axes.set(xlabel="hours of work per week", ylabel="grade")
    axes.legend()
    figure.savefig(folder / "one_dimension_spline.png", dpi=120)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
