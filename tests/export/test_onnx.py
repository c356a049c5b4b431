"""Graphs of ONNX, run by ONNX Runtime where it is there."""

import sys

import numpy as np
import pytest

from relu_forecast.baselines import RidgeAR
from relu_forecast.exceptions import MissingPackageError
from tests.export.fitted import MODELS, VALUES, H, N, fitted


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_says_what_the_model_says(name, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    sizes = fitted(name).export_onnx(tmp_path / "heart.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "heart.onnx", providers=["CPUExecutionProvider"])
    compiled = fitted(name).compiled()
    windows = np.lib.stride_tricks.sliding_window_view(VALUES, compiled.length)[N - 60 : N - 20]
    [found] = session.run(None, {"window": windows.copy()})
    np.testing.assert_allclose(found, compiled.forecast(windows), rtol=0, atol=1e-12)
    assert (sizes.length, sizes.n_steps) == (compiled.length, H)


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"relu_forecast\[onnx\]"):
        RidgeAR(3).fit(VALUES[:60]).export_onnx(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
