"""Heads as a caller gives them."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Convolution
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram
from tests.problems.programs import data

X = data(d=4)[0]
Y = data(d=3, seed=1)[0]
SITES = Convolution(2, sites=3)
BAD = {
    "none for many targets": ("heads", {"heads": None}, "given, one per pattern"),
    "none for many sites": ("heads", {"y": Y[:, 0], "architecture": SITES, "heads": None},
                            "1 targets and 3 sites"),
    "none of gates": ("heads", {"activation": "gated_relu", "heads": None}, "solve_with_heads"),
    "signs for many targets": ("signs", {"heads": None, "signs": [1, -1]}, "Pass heads"),
    "signs and heads": ("signs", {"signs": [1, -1]}, "left out when heads are given"),
    "too few": ("heads", {"heads": np.ones((1, 3))}, r"of shape \(2, 3\)"),
    "too many": ("heads", {"heads": np.ones((3, 3))}, "Repeat a pattern"),
    "other targets": ("heads", {"heads": np.ones((2, 2))}, r"shape \(2, 2\)"),
    "other sites": ("heads", {"architecture": SITES, "heads": np.ones((2, 2, 3))},
                    r"of shape \(2, 9\) or \(2, 3, 3\)"),
    "without sites": ("heads", {"architecture": SITES}, r"of shape \(2, 9\)"),
    "a vector": ("heads", {"heads": [1.0, 2.0]}, r"shape \(2,\)"),
    "not finite": ("heads", {"heads": [[1.0, 2.0, np.nan], [1.0, 1.0, 1.0]]}, "finite"),
    "zero": ("heads", {"heads": [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]}, "not zero"),
    "no numbers": ("heads", {"heads": [["a", "b", "c"]] * 2}, "real numbers"),
    "NaN in y": ("y", {"y": np.where(np.arange(42).reshape(14, 3) == 5, np.nan, 1.0)}, "finite"),
    "no targets": ("y", {"y": np.ones((14, 0))}, r"\(14, C\) of C >= 1"),
    "targets of other samples": ("y", {"y": np.ones((13, 3))}, r"shape \(13, 3\)"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_what_cannot_be_used_is_named_with_a_remedy(case):
    argument, change, said = BAD[case]
    options = {"y": Y, "heads": np.ones((2, 3)), "architecture": Convolution(2)} | change
    layout = options["architecture"]
    patterns = sample_patterns(layout.gate_inputs(X), 2, 0)
    with pytest.raises(InvalidArgumentError, match=said) as caught:
        ConvexProgram(X, patterns=patterns, beta=0.3, **options)
    assert caught.value.argument == argument
    assert caught.value.remedy
