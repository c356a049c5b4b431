from __future__ import annotations

import pytest
import torch

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Convolution
from relu_forecast.networks.modules import ConvReLUNetwork
from relu_forecast.networks.sites import check_sites, site_pooling

LIKE = torch.ones(1, dtype=torch.float64)


def test_one_site_is_the_plain_sum():
    assert site_pooling("global", 5, LIKE) is None
    assert site_pooling(1, 5, LIKE) is None


@pytest.mark.parametrize(("n_patches", "n_sites"), [(5, 2), (7, 3), (6, 6), (9, 4)])
def test_sites_are_runs_of_almost_equal_length_that_weigh_alike(n_patches, n_sites):
    pooling = site_pooling(n_sites, n_patches, LIKE)
    lengths = (pooling > 0).sum(1)
    assert int(lengths.sum()) == n_patches
    assert int(lengths.max() - lengths.min()) <= 1
    torch.testing.assert_close(pooling.norm(dim=1), torch.ones(n_sites).double())
    sites = (pooling > 0).double().argmax(0)
    assert torch.equal(sites, sites.sort().values)


def test_every_patch_is_a_site_of_a_flat_convolution():
    torch.testing.assert_close(site_pooling("flatten", 4, LIKE), torch.eye(4).double())
    torch.testing.assert_close(site_pooling("flatten", 1, LIKE), torch.eye(1).double())


@pytest.mark.parametrize("sites", ["all", 0, -1, 1.5, None, True])
def test_anything_else_is_refused(sites):
    with pytest.raises((InvalidArgumentError, TypeError), match="sites"):
        check_sites(sites)
    with pytest.raises((InvalidArgumentError, TypeError), match="sites"):
        Convolution(2, sites=sites)


def test_more_sites_than_patches_are_refused():
    with pytest.raises(InvalidArgumentError, match="at most the number of patches of a window, 3"):
        Convolution(2, sites=4).check_input(torch.ones(5, 4))
    network = ConvReLUNetwork(torch.ones(1, 2).double(), torch.ones(1, 4).double(), sites=4)
    with pytest.raises(InvalidArgumentError, match="at most the number of patches of a window, 3"):
        network(torch.ones(5, 4).double())


@pytest.mark.parametrize("sites", ["global", 1, 2, "flatten"])
@pytest.mark.parametrize("axes", [(), (3,)])
def test_a_network_with_sites_is_the_sum_written_out(sites, axes):
    torch.manual_seed(0)
    X, filters = torch.randn(6, 5).double(), torch.randn(4, 2).double()
    pooling = site_pooling(sites, 4, LIKE)
    shape = (4, *(() if pooling is None else (len(pooling),)), *axes)
    weight = torch.randn(shape).double()
    network = ConvReLUNetwork(filters, weight, sites=sites)
    active = (X.unfold(1, 2, 1) @ filters.T).relu()
    expected = torch.zeros(6, *axes).double()
    for j in range(4):
        if pooling is None:
            expected += torch.einsum("n,...->n...", active[:, :, j].sum(1), weight[j])
        else:
            expected += torch.einsum("np,sp,s...->n...", active[:, :, j], pooling, weight[j])
    torch.testing.assert_close(network(X), expected)
    assert network.n_outputs == (axes[0] if axes else None)
