"""Which frequencies of an ECG a circular convolutional network keeps.

python examples/circular_cnn_spectrum.py [WINDOWS] [FOLDER]

In the Fourier domain the network is a complex Lasso: each neuron has one weight per frequency of
the window, and at the optimum most of them are zero.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from relu_forecast import CircularCNNRegressor, hankel, load_ecg
from relu_forecast.plots import plot_spectrum

LAGS = 32
NEGLIGIBLE = 1e-3


def spectra(model: CircularCNNRegressor) -> np.ndarray:
    """Return |F z_j| |w2_j| for every neuron j and frequency: filter times pooling weights."""
    network = model.network_
    filters = torch.fft.rfft(network.filters, norm="ortho").abs()
    pooling = torch.fft.rfft(network.pooling_weight, norm="ortho").abs()
    sizes = LAGS**0.5 * filters * pooling * network.output_weight.abs()[:, None]
    return sizes.detach().numpy()


def main(n_windows: int = 1000, folder: Path = Path(".")) -> None:
    """Train on ``n_windows`` windows of the shipped ECG and save a picture in ``folder``."""
    ecg = load_ecg()
    rate = 1 / (ecg.index[1] - ecg.index[0]).total_seconds()
    values = ecg.to_numpy()[20_000 : 20_000 + n_windows + LAGS]
    X, y = hankel((values - values.mean()) / values.std(), LAGS)
    frequencies = np.fft.rfftfreq(LAGS, 1 / rate)

    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    for ratio, axes in zip((0.6, 0.3, 0.1), panels, strict=True):
        model = CircularCNNRegressor(beta_ratio=ratio, tol=1e-3).fit(X, y)
        sizes = spectra(model)
        kept = sizes > NEGLIGIBLE * sizes.max()
        print(f"beta = {ratio:g} beta_max: {model.n_neurons_} neurons keep {kept.sum()} of "
              f"{kept.size} frequencies, on average {kept.sum(axis=1).mean():.1f} of "
              f"{kept.shape[1]} each; training R2 {model.score(X, y):.4f}")
        print(f"  {model.certificate_}")
        plot_spectrum(sizes, frequencies=frequencies, unit="Hz", negligible=NEGLIGIBLE, ax=axes)
        axes.set(title=rf"$\beta$ = {ratio:g} $\beta_{{\max}}$", xlabel="")
    panels[-1].set_xlabel("frequency, Hz (white: below a thousandth of the largest)")
    figure.savefig(folder / "circular_cnn_spectrum.png", dpi=120)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((int, Path), sys.argv[1:], strict=False)))
