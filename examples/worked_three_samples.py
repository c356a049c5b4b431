"""The lecture's worked example, n = 3 samples in d = 2 dimensions, from patterns to network.

python examples/worked_three_samples.py
"""

from __future__ import annotations

from dataclasses import replace

import torch

from relu_forecast import (
    ActivationPatterns,
    ConvexProgram,
    enumerate_patterns,
    pattern_bound,
    solve,
)

X = torch.tensor([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
y = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
BETA = 0.1


def in_reading_order(patterns: ActivationPatterns) -> ActivationPatterns:
    """Return the patterns 111 first, 000 last."""
    order = sorted(range(len(patterns)), key=lambda i: patterns.masks[i].tolist(), reverse=True)
    return replace(patterns, masks=patterns.masks[order], gates=patterns.gates[order])


def main() -> None:
    """Print every pattern, the program on them, its optimum and the network."""
    patterns = in_reading_order(enumerate_patterns(X))
    print(f"{len(patterns)} patterns; the first two rows are parallel, so Cover's bound is that "
          f"of two rows, {pattern_bound(2, 2)}")
    for i, (mask, gate) in enumerate(zip(patterns.masks, patterns.gates, strict=True), start=1):
        on = "".join(str(int(bit)) for bit in mask)
        print(f"\nD_{i} = diag({on}), made by the gate {gate.numpy().round(3)}")
        print(f"D_{i} X =\n{(mask[:, None] * X).numpy()}")
        signs = (2 * mask.double() - 1)[:, None]
        print(f"cone of u_{i} and v_{i}: (2 D_{i} - I) X z >= 0 with rows\n{(signs * X).numpy()}")

    print("\nmin 1/2 ||sum_i D_i X (u_i - v_i) - y||^2 + beta sum_i (||u_i|| + ||v_i||)")
    solution = solve(ConvexProgram(X, y, patterns, BETA), tol=1e-9)
    print(f"\n{solution.certificate}")
    count = len(patterns)
    for k in solution.used.nonzero()[:, 0].tolist():
        name = f"u_{k + 1}" if k < count else f"v_{k - count + 1}"
        print(f"{name} = {solution.blocks[k].numpy().round(4)}")

    network = solution.network()
    print(f"\nnetwork: W1 =\n{network.hidden_weight.detach().numpy().round(4)}\n"
          f"w2 = {network.output_weight.detach().numpy().round(4)}")
    print(f"outputs {network(X).detach().numpy().round(4)} for targets {y.numpy()}")
    print(f"its own nonconvex objective: {network.objective(X, y, BETA):.9f}, "
          f"the convex optimum: {solution.objective:.9f}")


if __name__ == "__main__":
    main()
