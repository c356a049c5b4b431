"""The smallest dual norm that cone multipliers can reach: what decides whether a block is zero.

    min_{alpha >= 0} N*(c + C alpha)

with c the correlation of a block with the residual and the columns of C the signed rows of its
cone: a block is zero at the optimum where this is at most beta. THEORY section 5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

_Array = npt.NDArray[np.float64]


def smallest_dual_norm(cone: _Array, correlation: _Array, weights: _Array) -> float:
    """Return ``min_{alpha >= 0} max_g ||(correlation + cone alpha)_g|| / weights[g]``.

    The cone is (d, N), the correlation (d,), and there is one weight for each of G groups of d / G
    coordinates. With one group this is a non-negative least squares problem, with several a
    second-order cone program.
    """
    if len(weights) == 1:
        return float(nnls(cone, -correlation)[1] / weights[0])
    import cvxpy as cp  # slow to import, and needed here only

    unit = float(np.linalg.norm(correlation)) or 1.0
    correlation = correlation / unit  # the solver's tolerances are absolute
    cone = cone / np.maximum(np.linalg.norm(cone, axis=0), np.finfo(np.float64).tiny)
    alpha, bound = cp.Variable(cone.shape[1], nonneg=True), cp.Variable()
    shape = (len(weights), len(correlation) // len(weights))
    groups = cp.reshape(correlation + cone @ alpha, shape, "C")
    problem = cp.Problem(cp.Minimize(bound), [cp.norm(groups, 2, axis=1) <= bound * weights])
    problem.solve(solver=cp.CLARABEL)
    return unit * float(bound.value)
