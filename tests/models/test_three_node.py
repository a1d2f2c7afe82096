from itertools import combinations, product

import numpy as np
import pytest

from tfviz.models import three_node


def masks(*sets):
    return np.array([sum(1 << element for element in members) for members in sets], np.uint32)


def split_by_hand(sets, elements):
    """Every way to colour the elements with two colours, the last one always 0, with no set in one colour."""
    return [
        colours
        for colours in product((0, 1), repeat=elements)
        if colours[-1] == 0 and all(len({colours[element] for element in members}) == 2 for members in sets)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_exhaustive_search_against_plain_enumeration(seed):
    random = np.random.default_rng(seed)
    triples = list(combinations(range(6), 3))
    sets = [triples[index] for index in random.choice(len(triples), 9, replace=False)]
    found = three_node.find_splits(masks(*sets), 6)
    as_colours = [tuple(int(part) >> element & 1 for element in range(6)) for part in found]
    assert sorted(as_colours) == sorted(split_by_hand(sets, 6))


def test_all_triples_of_five_elements_cannot_be_split():
    """Of five elements three always share a part; of four, two and two do not."""
    assert three_node.find_splits(masks(*combinations(range(5), 3)), 5).size == 0
    assert three_node.find_splits(masks(*combinations(range(4), 3)), 4).size == 3


def test_examples_by_hand():
    inputs, labels = three_node.examples(masks((0, 1, 3))[None], 4)
    expected = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 1]]
    np.testing.assert_array_equal(inputs[0, :, :4], expected)
    np.testing.assert_array_equal(inputs[0, :, 4], 1)
    np.testing.assert_array_equal(labels, [1, 0, 0, 0, 0, 1])


def test_a_split_gives_weights_without_an_error_and_another_division_does_not():
    """The equivalence of Blum and Rivest, for every division of some instances."""
    drawn = three_node.draw(6, 7, 10, np.random.default_rng(0))
    inputs, labels = three_node.examples(drawn.sets, 6)
    for instance, sets in enumerate(drawn.sets):
        divisions = np.arange(2**5, dtype=np.uint32)
        weights = three_node.weights_of(divisions, 6)
        errors = three_node.wrong(weights, np.repeat(inputs[instance][None], 32, axis=0), labels)
        np.testing.assert_array_equal(divisions[errors == 0], three_node.find_splits(sets, 6))
        assert drawn.splits[instance] == (errors == 0).sum()


def test_drawn_instances_have_different_sets_of_three():
    drawn = three_node.draw(7, 9, 20, np.random.default_rng(1))
    assert drawn.sets.shape == (20, 9)
    assert drawn.tried >= 20
    assert all(len(set(sets)) == 9 for sets in drawn.sets.tolist())
    assert {int(mask).bit_count() for mask in drawn.sets.ravel()} == {3}


def test_loss_by_hand():
    """One positive and one negative example, weights 0: the output is 1/4 for both."""
    inputs, labels = np.array([[[0.0, 1.0], [1.0, 1.0]]]), np.array([True, False])
    loss, _, z = three_node.loss_and_gradient(np.zeros((1, 2, 2)), inputs, labels)
    assert loss[0] == pytest.approx(-(np.log(1 / 4) + np.log(3 / 4)) / 2)
    np.testing.assert_array_equal(z, 0)


def test_gradient_against_finite_differences():
    random = np.random.default_rng(2)
    drawn = three_node.draw(5, 4, 3, random)
    inputs, labels = three_node.examples(drawn.sets, 5)
    weights = random.normal(0, 2, (3, 6, 2))
    _, gradient, _ = three_node.loss_and_gradient(weights, inputs, labels)
    measured = np.empty_like(gradient)
    for row, column in product(range(6), range(2)):
        step = np.zeros((6, 2))
        step[row, column] = 1e-6
        up, down = (
            three_node.loss_and_gradient(weights + sign * step, inputs, labels)[0] for sign in (1, -1)
        )
        measured[:, row, column] = (up - down) / 2e-6
    np.testing.assert_allclose(gradient, measured, rtol=1e-6, atol=1e-9)


def test_huge_weights_stay_finite():
    inputs, labels = three_node.examples(masks((0, 1, 2))[None], 3)
    loss, gradient, _ = three_node.loss_and_gradient(np.full((1, 4, 2), 2000.0), inputs, labels)
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()


def test_descend_stops_where_every_example_is_right():
    random = np.random.default_rng(3)
    drawn = three_node.draw(6, 4, 30, random)
    inputs, labels = three_node.examples(drawn.sets, 6)
    start = random.normal(0, 2, (30, 7, 2))
    start[0] = three_node.weights_of(drawn.split[:1], 6)[0]
    before = start.copy()
    training = three_node.descend(start, inputs, labels, steps=300, rate=10.0)
    np.testing.assert_array_equal(start, before)
    assert training.solved_at[0] == 0
    solved = training.solved_at >= 0
    assert 0 < solved.sum() < 30
    np.testing.assert_array_equal(three_node.wrong(training.weights, inputs, labels) == 0, solved)
    np.testing.assert_array_equal(np.isnan(training.slope), solved)


def test_descend_against_the_plain_update():
    random = np.random.default_rng(4)
    drawn = three_node.draw(8, 8, 4, random)
    inputs, labels = three_node.examples(drawn.sets, 8)
    start = random.normal(0, 0.1, (4, 9, 2))
    training = three_node.descend(start, inputs, labels, steps=5, rate=0.5)
    weights = start
    for _ in range(5):
        weights = weights - 0.5 * three_node.loss_and_gradient(weights, inputs, labels)[1]
    assert (training.solved_at == -1).all()
    np.testing.assert_allclose(training.weights, weights, rtol=1e-12)
    slope = np.linalg.norm(three_node.loss_and_gradient(weights, inputs, labels)[1], axis=(1, 2))
    np.testing.assert_allclose(training.slope, slope, rtol=1e-12)
