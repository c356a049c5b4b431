"""Softened kinks and norms: their derivatives, and steps that the primal-dual equation allows."""

from __future__ import annotations

import torch

from relu_forecast.training.softening import SoftModulus, SoftNorm


def gaussian(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def test_softened_kinks_have_the_derivatives_of_what_they_soften() -> None:
    values = gaussian(7, 3).requires_grad_()
    widths = torch.tensor([0.1, 1.0, 2.0], dtype=torch.float64)
    soft = SoftModulus.of(values, widths)
    torch.testing.assert_close(soft.lengths, (values**2 + widths**2).sqrt())
    slopes, = torch.autograd.grad((values**2 + widths**2).sqrt().sum(), values, create_graph=True)
    torch.testing.assert_close(soft.slopes, slopes)
    curvatures, = torch.autograd.grad(slopes.sum(), values)
    torch.testing.assert_close(soft.curvatures(soft.slopes), curvatures)


def test_softened_norms_have_the_derivatives_of_what_they_soften() -> None:
    blocks, widths = gaussian(2, 2, 3), torch.tensor([0.1, 1.0], dtype=torch.float64)
    norm = SoftNorm.of(blocks, widths)
    for j, g in ((0, 1), (1, 0)):
        def length(z: torch.Tensor, width: float = float(widths[j])) -> torch.Tensor:
            return (z.square().sum() + width**2).sqrt()

        torch.testing.assert_close(
            norm.slopes[j, g], torch.autograd.functional.jacobian(length, blocks[j, g]))
        torch.testing.assert_close(norm.curvatures(norm.slopes)[j, g],
                                   torch.autograd.functional.hessian(length, blocks[j, g]))


def test_duals_follow_small_moves_and_stay_slopes_after_large_ones() -> None:
    values, widths = gaussian(6, 2), torch.full((2,), 0.5, dtype=torch.float64)
    soft, move = SoftModulus.of(values, widths), 1e-5 * gaussian(6, 2)
    ahead = SoftModulus.of(values + move, widths).slopes
    followed = soft.next_duals(soft.curvatures(soft.slopes), move)
    torch.testing.assert_close(followed, ahead, atol=1e-9, rtol=0)
    far = soft.next_duals(soft.curvatures(soft.slopes), 1e6 * move.sign())
    assert set(far.flatten().tolist()) <= {-1.0, 1.0}
    blocks = gaussian(2, 2, 3)
    norm, shift = SoftNorm.of(blocks, widths), 1e-5 * gaussian(2, 2, 3)
    ahead = SoftNorm.of(blocks + shift, widths).slopes
    torch.testing.assert_close(norm.next_duals(norm.slopes, shift), ahead, atol=1e-8, rtol=0)
    lengths = norm.next_duals(norm.slopes, 1e6 * shift).norm(dim=2)
    assert float(lengths.amax()) <= 1 + 1e-12


def test_without_any_width_zero_has_no_slope_and_nothing_is_divided_by_zero() -> None:
    zeros, widths = torch.zeros(3, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    soft, norm = SoftModulus.of(zeros, widths), SoftNorm.of(zeros.T[:, :, None], widths)
    assert torch.equal(soft.slopes, zeros)
    assert torch.equal(norm.slopes, zeros.T[:, :, None])
    assert bool((soft.lengths > 0).all())
    assert bool((norm.lengths > 0).all())
