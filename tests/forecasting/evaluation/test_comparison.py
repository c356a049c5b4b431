"""Comparisons: published examples, and values of an independent implementation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import diebold_mariano, rank_models

A = [1.2, -0.7, 0.4, 2.1, -1.5, 0.3, 0.9, -0.2, 1.1, -1.8, 0.6, 0.5]
B = [0.8, -0.9, 0.1, 1.4, -1.1, 0.7, 1.2, 0.3, 0.2, -1.0, 0.9, -0.4]


@pytest.mark.parametrize(("h", "loss", "kernel", "statistic", "p_value"), [
    (1, "squared", "rectangular", 1.6891926310708516, 0.1192924258282604),
    (1, "absolute", "rectangular", 1.44912522300357, 0.175205020982088),
    (2, "squared", "rectangular", 1.4171318071611982, 0.18413987007861743),
    (2, "absolute", "rectangular", 1.1712485998150524, 0.2662450678261068),
    (3, "squared", "rectangular", 7.40144546265346, 1.3574152038652575e-05),
    (3, "absolute", "rectangular", 3.229097342169125, 0.008028103447814428),
    (5, "squared", "bartlett", 2.6231650361701213, 0.023694452370347636),
    (5, "absolute", "bartlett", 2.0264963282237445, 0.06765703603401979),
])
def test_diebold_mariano_is_that_of_another_package(h, loss, kernel, statistic, p_value):
    # By dieboldmariano 1.1.0, dm_test(zeros, A, B, loss=..., h=h, variance_estimator=...).
    test = diebold_mariano(A, B, h, loss)
    assert test.statistic == pytest.approx(statistic, rel=1e-12)
    assert test.p_value == pytest.approx(p_value, rel=1e-9)
    assert (test.n, test.h, test.loss, test.kernel) == (12, h, loss, kernel)


def test_diebold_mariano_is_its_definition():
    rng = np.random.default_rng(0)
    a, b, h, n = rng.normal(size=50), 1.2 * rng.normal(size=50), 4, 50
    d = [x * x - y * y for x, y in zip(a, b, strict=True)]
    mean = sum(d) / n
    gamma = [sum((d[t] - mean) * (d[t - k] - mean) for t in range(k, n)) / n for k in range(h)]
    plain = mean / np.sqrt((gamma[0] + 2 * sum(gamma[1:])) / n)
    expected = plain * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    test = diebold_mariano(a, b, h)
    assert test.statistic == pytest.approx(expected)
    assert test.mean_difference == pytest.approx(mean)
    assert test.p_value == pytest.approx(2 * stats.t.sf(abs(expected), n - 1))


def test_one_step_diebold_mariano_is_the_t_test():
    # HLN's correction of h = 1 turns n into n - 1, and so the statistic into Student's.
    d = np.square(A) - np.square(B)
    for alternative in ("two-sided", "less", "greater"):
        expected = stats.ttest_1samp(d, 0, alternative=alternative)
        test = diebold_mariano(A, B, alternative=alternative)
        assert test.statistic == pytest.approx(expected.statistic)
        assert test.p_value == pytest.approx(expected.pvalue)
        assert test.alternative == alternative


def test_the_better_forecast_is_told_by_the_sign():
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=200), 3 * rng.normal(size=200)
    test = diebold_mariano(good, bad, alternative="less")
    assert test.statistic < 0
    assert test.mean_difference < 0
    assert test.p_value < 1e-6
    assert diebold_mariano(bad, good, alternative="greater").p_value == pytest.approx(test.p_value)
    assert diebold_mariano(good, bad, alternative="greater").p_value == pytest.approx(
        1 - test.p_value)


def test_rejections_are_as_many_as_the_level_says():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(2000):
        noise = rng.normal(size=(2, 203))
        # Errors of the best three-step forecasts are moving averages of order 2.
        a, b = noise[:, 2:] + noise[:, 1:-1] + noise[:, :-2]
        p_values.append(diebold_mariano(a, b, h=3).p_value)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("other", [A, list(np.array(A) * (1 + 1e-13)), [-error for error in A]])
def test_equal_losses_show_nothing(other):
    test = diebold_mariano(A, other, h=3)
    assert (test.statistic, test.p_value) == (0, 1)
    assert diebold_mariano(A, other, h=3, alternative="less").p_value == 0.5
    assert diebold_mariano(A, other, h=3, alternative="greater").p_value == 0.5


def test_errors_of_nothing_show_nothing():
    assert diebold_mariano(np.zeros(4), np.zeros(4)).p_value == 1


def test_a_constant_difference_is_beyond_doubt():
    test = diebold_mariano(np.full(9, 0.1), np.full(9, -0.3), h=2)
    assert (test.statistic, test.p_value) == (-np.inf, 0)
    assert diebold_mariano(np.full(9, 0.3), np.full(9, 0.1)).statistic == np.inf


@pytest.mark.parametrize(("arguments", "message"), [
    ({"errors_a": [1.0, np.nan]}, "errors_a must be finite"),
    ({"errors_b": [[1.0, 2.0]]}, "errors_b must be one-dimensional"),
    ({"errors_b": [1.0, 2.0]}, "errors_b must be as many as errors_a, 12; got 2"),
    ({"h": 12}, "h must be below the 12 errors; got 12"),
    ({"h": 0}, "h must be an integer >= 1"),
    ({"loss": "cubic"}, "loss must be one of 'squared', 'absolute'; got 'cubic'"),
    ({"alternative": "more"}, "alternative must be one of 'two-sided', 'less', 'greater'"),
])
def test_bad_errors_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        diebold_mariano(**{"errors_a": A, "errors_b": B, **arguments})


# Demšar (2006), table 6: AUC of C4.5 with parameters m and cf tuned or not, on 14 data sets. Two
# numbers of the last set but one are equal when rounded, but are ranks 2 and 3 in the paper.
AUC = pd.DataFrame([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9754, 0.9746], [0.957, 0.978, 0.946, 0.970],
], columns=["C4.5", "m", "cf", "m+cf"])


def test_the_ranking_is_that_of_demsar():
    ranking = rank_models(1 - AUC)
    assert ranking.mean_ranks.round(3).to_dict() == {
        "m+cf": 1.964, "m": 2.0, "cf": 2.893, "C4.5": 3.143}
    assert list(ranking.mean_ranks.index) == ["m+cf", "m", "cf", "C4.5"]
    # The paper's 9.28 is not corrected for ties, of which there are 1 of 4, and 3 of 2.
    ties = ((4**3 - 4) + 3 * (2**3 - 2)) / (14 * (4**3 - 4))
    assert ranking.statistic * (1 - ties) == pytest.approx(9.28, abs=0.01)
    assert ranking.p_value == pytest.approx(stats.chi2.sf(ranking.statistic, 3))
    assert ranking.critical_difference == pytest.approx(1.25, abs=0.005)
    assert (ranking.test, ranking.n_series, ranking.level) == ("friedman", 14, 95)
    assert ranking.groups == (("m+cf", "m", "cf", "C4.5"),)
    # The paper's verdict at level 90, where the critical difference is 1.12.
    assert rank_models(1 - AUC, level=90).critical_difference == pytest.approx(1.12, abs=0.005)
    assert rank_models(1 - AUC, level=90).groups == (("m+cf", "m", "cf"), ("cf", "C4.5"))


@pytest.mark.parametrize(("n_models", "quantile"), [(3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_those_of_the_table(n_models, quantile):
    # Demšar (2006), table 5 (a).
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(30, n_models)))
    expected = quantile * np.sqrt(n_models * (n_models + 1) / (6 * 30))
    assert rank_models(scores).critical_difference == pytest.approx(expected, rel=5e-4)


def test_what_is_not_significant_makes_one_group():
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 3)), columns=list("abc"))
    ranking = rank_models(scores)
    assert ranking.p_value > 0.05
    assert set(ranking.groups[0]) == set("abc")
    assert len(ranking.groups) == 1
    assert ranking.frame()["with_best"].all()


def test_models_that_all_differ_are_in_no_group():
    scores = pd.DataFrame(np.tile([1.0, 2.0, 3.0], (40, 1)), columns=list("abc"))
    ranking = rank_models(scores)
    assert ranking.groups == ()
    assert ranking.frame()["with_best"].tolist() == [True, False, False]
    wide = rank_models(scores, level=100 - 1e-7).critical_difference
    assert wide > ranking.critical_difference


def test_equal_scores_share_their_ranks():
    scores = pd.DataFrame({"a": [1, 1, 1, 1, 1.0], "b": [1, 1, 1, 1, 1.0], "c": [2, 2, 2, 2, 2.0]})
    assert rank_models(scores).mean_ranks.to_dict() == {"a": 1.5, "b": 1.5, "c": 3.0}


@pytest.mark.parametrize("models", ["ab", "abc"])
def test_models_that_are_equal_everywhere_are_not_told_apart(models):
    ranking = rank_models(pd.DataFrame(np.ones((7, len(models))), columns=list(models)))
    assert ranking.p_value == 1
    assert ranking.groups == (tuple(models),)


def test_two_models_are_told_apart_by_wilcoxon():
    rng = np.random.default_rng(1)
    scores = pd.DataFrame({"worse": rng.normal(size=12) + 1, "better": rng.normal(size=12)})
    ranking = rank_models(scores)
    expected = stats.wilcoxon(scores["worse"] - scores["better"])
    assert (ranking.statistic, ranking.p_value) == pytest.approx(tuple(expected))
    assert (ranking.test, ranking.critical_difference) == ("wilcoxon", None)
    assert (ranking.groups, ranking.mean_ranks.index[0]) == ((), "better")
    assert rank_models(scores, level=99.9).groups == (("better", "worse"),)
    assert ranking.frame()[["lower", "upper"]].isna().all(axis=None)


def test_two_models_with_even_wins_may_differ_by_their_size():
    losses = np.r_[-np.arange(1.0, 11.0), np.arange(21.0, 31.0)]
    ranking = rank_models(pd.DataFrame({"a": losses, "b": np.zeros(20)}), level=90)
    assert ranking.mean_ranks.tolist() == [1.5, 1.5]
    assert 0.05 < ranking.p_value < 0.1
    assert ranking.groups == ()


def test_the_table_shows_half_a_critical_difference_to_either_side():
    ranking = rank_models(1 - AUC, level=90)
    table = ranking.frame()
    np.testing.assert_allclose(table["upper"] - table["lower"], ranking.critical_difference)
    np.testing.assert_allclose((table["upper"] + table["lower"]) / 2, ranking.mean_ranks)
    assert table["with_best"].tolist() == [True, True, True, False]


def test_a_ranking_draws_itself():
    [axes] = rank_models(1 - AUC).plot().axes
    assert axes.get_xlabel() == "mean rank over 14 series (1 is best)"


def test_scores_without_names_are_refused():
    with pytest.raises(InvalidTypeError, match="scores must be a DataFrame; got ndarray"):
        rank_models(AUC.to_numpy())


@pytest.mark.parametrize(("scores", "message"), [
    (AUC[["m"]], "scores must be of two or more models with different names"),
    (AUC[["m", "m"]], "scores must be of two or more models with different names"),
    (AUC[["m", "cf"]].head(5), "scores must be of at least 6 series for 2 models.*got 5"),
    (AUC[["m", "cf", "C4.5"]].head(2), "scores must be of at least 3 series for 3 models.*got 2"),
    (AUC.assign(m=np.nan), r"scores\['m'\] must be finite"),
    (AUC.assign(m="good"), r"scores\['m'\] must be real numbers"),
])
def test_bad_scores_are_refused(scores, message):
    with pytest.raises(InvalidArgumentError, match=message):
        rank_models(scores)


def test_the_level_says_how_many_series_are_needed():
    assert rank_models(AUC[["m", "cf"]].head(5), level=90).n_series == 5
    with pytest.raises(InvalidArgumentError, match="at least 8 series for 2 models"):
        rank_models(AUC[["m", "cf"]].head(7), level=99)


@pytest.mark.parametrize("level", [0, 100, 120, np.nan, "95"])
def test_bad_levels_are_refused(level):
    with pytest.raises(InvalidArgumentError, match="level must be"):
        rank_models(AUC, level)


@pytest.mark.parametrize("loss", ["squared", "absolute"])
@pytest.mark.parametrize("unit", [2.0**500, 2.0**-500])
def test_the_unit_of_errors_does_not_matter(loss, unit):
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=50), 1.2 * rng.normal(size=50)
    plain = diebold_mariano(one, other, 3, loss)
    scaled = diebold_mariano(unit * one, unit * other, 3, loss)
    assert (scaled.statistic, scaled.p_value) == (plain.statistic, plain.p_value)
