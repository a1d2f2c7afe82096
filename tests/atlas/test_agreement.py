import numpy as np
import pytest

from tfviz.atlas.agreement import agreement


def test_agreement_is_the_share_of_pairs_by_hand():
    controls = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # their mean is 0
    drawing = np.array([2.0, 0])
    assert agreement(drawing, np.array([[5.0, 0]]), controls) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert agreement(drawing, np.array([[5.0, 0]]), controls[:2]) is None
    assert agreement(drawing, np.array([[5.0, 0]]), controls[:3]) is not None
    assert agreement(drawing, np.array([[-5.0, 0]]), controls) == pytest.approx(0.5 / 4)
    assert agreement(drawing, np.array([[3.0, 3], [0, 7]]), controls) == pytest.approx(
        ((0 + 1 + 1 + 1) + (0 + 1 + 0.5 + 0.5)) / 8
    )


def test_what_all_pictures_share_does_not_count():
    controls = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    args = (np.array([2.0, 1]), np.array([[3.0, 3], [0, 7]]))
    moved = np.array([10.0, -4.0])
    assert agreement(args[0] + moved, args[1] + moved, controls + moved) == agreement(*args, controls)


def test_agreement_is_the_area_under_the_curve():
    from scipy.stats import mannwhitneyu

    random = np.random.default_rng(0)
    drawing, exemplars, controls = (
        random.normal(size=8),
        random.normal(size=(9, 8)),
        random.normal(size=(40, 8)),
    )
    middle = controls.mean(0)

    def like(x):
        x, d = x - middle, drawing - middle
        return x @ d / np.linalg.norm(x, axis=1)

    area = mannwhitneyu(like(exemplars), like(controls)).statistic / (9 * 40)
    assert agreement(drawing, exemplars, controls) == pytest.approx(area)
