"""The n-gram model is interpolated modified Kneser-Ney as Chen & Goodman 1999 define it, counted in plain Python.

The file of the real text is the one that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA names the
folder that holds it.
"""

import itertools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqapps.tasks.generation.kneser_ney import KneserNey
from seqapps.text.kinds import END, PAD, START

NEIGHBOUR = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("SEQAPPS_DATA", NEIGHBOUR))
VOCABULARY, LARGE = 11, 101
ORDERS = (1, 2, 3)
USUAL = (0.5, 1.0, 1.5)  # discounts where the counts tell none
LENGTHS = (251, 257, 241)  # of documents that together have enough counts


# --- the reference ---


def zipf(seed, lengths, exponent=1.5):
    """Documents in which few tokens are frequent and many are rare, as in a text."""
    generator = np.random.default_rng(seed)
    return [(END + (generator.zipf(exponent, length) - 1) % 97).tolist() for length in lengths]


def stream(documents):
    """Documents as the model takes them."""
    return np.array([token for document in documents for token in (START, *document)])


def counted(documents, length):
    """How often every n-gram occurs. `START` is a context, and none goes over it."""
    padded = [(START, *document) for document in documents]
    grams = (tuple(each[place : place + length]) for each in padded for place in range(len(each) - length + 1))
    return Counter(gram for gram in grams if gram[-1] != START)


def continued(counts, longer):
    """Of every n-gram the different tokens on its left; plain counts where a document begins."""
    left = Counter(gram[1:] for gram in longer)
    return {gram: count if gram[0] == START else left[gram] for gram, count in counts.items()}


def discounts(counts):
    """Chen & Goodman, equation 26; half a count, one, and one and a half where those make no sense."""
    n1, n2, n3, n4 = (sum(count == number for count in counts.values()) for number in (1, 2, 3, 4))
    if n1 and n2 and n3 and n4:
        share = n1 / (n1 + 2 * n2)
        found = (1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3)
        if min(found) >= 0:
            return found
    return USUAL


def probability(tables, context, token, vocabulary):
    """Of a token after a context by tables of counts, from unigrams on: equations 24 and 25."""
    answer = 1 / (vocabulary - 2)
    for length, counts in enumerate(tables, start=1):
        if length - 1 > len(context):
            break  # nothing stands before the start
        before = context[len(context) - length + 1 :]
        after = [(gram, count) for gram, count in counts.items() if gram[:-1] == before]
        if not after:
            break
        taken = {gram: discounts(counts)[min(count, 3) - 1] for gram, count in after}
        total = sum(count for _, count in after)
        gram = (*before, token)
        own = max(counts.get(gram, 0) - taken.get(gram, 0), 0)
        answer = own / total + sum(taken.values()) / total * answer
    return answer


def tables_of(documents, order):
    """Counts of every length up to an order, as its model uses them."""
    counts = [counted(documents, length) for length in range(1, order + 1)]
    lower = [continued(*pair) for pair in itertools.pairwise(counts)]
    return [*lower, counts[-1]]


def expected(documents, order, read, vocabulary):
    """Probabilities of all tokens of the documents that are read."""
    tables = tables_of(documents, order)
    return [
        probability(tables, (START, *document[:place]), token, vocabulary)
        for document in read
        for place, token in enumerate(document)
    ]


def told(documents, order, read, vocabulary=VOCABULARY):
    """What the model says of the same tokens, for every order up to `order`."""
    model = KneserNey(stream(documents), vocabulary, order)
    with np.errstate(divide="ignore"):
        return {number: np.exp(each) for number, each in model.log_probabilities(stream(read)).items()}


# --- worked examples ---


def test_a_small_corpus_by_hand():
    a, b = 4, 5
    model = KneserNey(np.array([START, a, b, a, b, a, b, END]), vocabulary_size=6, order=2)
    found = model.log_probabilities(np.array([START, a, b, END]))
    # Seen: a and b three times, END once; too few counts for other discounts than 0.5, 1 and 1.5. Four ids can come.
    rest = (1.5 + 1.5 + 0.5) / 7
    unigram = [(3 - 1.5) / 7 + rest / 4, (3 - 1.5) / 7 + rest / 4, (1 - 0.5) / 7 + rest / 4]
    np.testing.assert_allclose(np.exp(found[1]), unigram)
    # As the lower order: a follows two different tokens, b and END one each.
    rest = (1 + 0.5 + 0.5) / 4
    lower_a, lower_b, lower_end = (2 - 1) / 4 + rest / 4, (1 - 0.5) / 4 + rest / 4, (1 - 0.5) / 4 + rest / 4
    # START → a once; a → b three times; b → a twice and END once.
    bigram = [(1 - 0.5) / 1 + 0.5 * lower_a, (3 - 1.5) / 3 + 1.5 / 3 * lower_b, (1 - 0.5) / 3 + 1.5 / 3 * lower_end]
    np.testing.assert_allclose(np.exp(found[2]), bigram)
    np.testing.assert_allclose(bigram, [0.6875, 0.625, 1 / 6 + 0.125])


@pytest.mark.parametrize("order", ORDERS)
def test_a_corpus_with_enough_counts_has_the_discounts_of_the_paper(order):
    documents = zipf(0, LENGTHS)
    for counts in tables_of(documents, order):
        assert discounts(counts) != USUAL
    read = [*zipf(1, (29, 3)), [100, *documents[0][:11], 100, *documents[2][17:29]], []]
    found = told(documents, max(ORDERS), read, LARGE)
    np.testing.assert_allclose(found[order], expected(documents, order, read, LARGE))
    np.testing.assert_allclose(found[order], told(documents, order, read, LARGE)[order])


def test_discounts_are_those_of_the_formula():
    # Unigrams: five once, two twice, two three times, one four times, and END twelve times.
    once, twice, thrice = range(4, 9), (9, 10), (11, 12)
    documents = [[*once, *twice, *thrice, 13, END], [*twice, *thrice, 13, END], [*thrice, 13, END], [13, *9 * [END]]]
    share = 5 / (5 + 2 * 2)
    taken = 1 - 2 * share * 2 / 5, 2 - 3 * share * 2 / 2, 3 - 4 * share * 1 / 2
    total = 5 + 4 + 6 + 4 + 12
    rest = (5 * taken[0] + 2 * taken[1] + 4 * taken[2]) / total
    found = told(documents, 1, [[4, 9, 11, 13, END, 15]], vocabulary=16)[1]
    left = np.array([1 - taken[0], 2 - taken[1], 3 - taken[2], 4 - taken[2], 12 - taken[2], 0])
    np.testing.assert_allclose(found, left / total + rest / 14)


@pytest.mark.parametrize("order", ORDERS)
def test_of_discounts_that_make_no_sense_half_a_count_is_taken(order):
    a, b, c, d, e = range(4, 9)
    # Once: a. Twice: b. Three times: c, d and e. Four times: END. So two would be left with 2 - 3 / 3 * 3 < 0.
    documents = [[a, b, b, c, c, c, END], [d, d, d, END], [e, e, e, END], [END]]
    n1, n2, n3 = 1, 1, 3
    assert 2 - 3 * n1 / (n1 + 2 * n2) * n3 / n2 < 0
    read = [[a, b, c, d, e, END], [9, a], [c, c, END]]
    np.testing.assert_allclose(told(documents, order, read)[order], expected(documents, order, read, VOCABULARY))
    assert told(documents, 1, [[a]])[1][0] == pytest.approx(0.5 / 16 + (0.5 + 1 + 4 * 1.5) / 16 / 9)


FEW = st.lists(st.lists(st.integers(END, 8), max_size=13), min_size=1, max_size=5)
MANY = st.builds(zipf, st.integers(0, 10_000), st.lists(st.integers(1, 257), min_size=1, max_size=3))
DOCUMENTS = (FEW | MANY).map(lambda documents: [[4, 5], *documents])  # so that there is an n-gram of every order


def settled(documents):
    """Whether no discount is so near to 0 that rounding decides."""
    tables = [table for order in ORDERS for table in tables_of(documents, order)]
    return all(abs(each) > 1e-9 for table in tables for each in discounts(table))


@settings(max_examples=200, deadline=None)
@given(documents=DOCUMENTS, read=st.lists(st.lists(st.integers(END, VOCABULARY - 1), max_size=5), max_size=3))
def test_any_corpus_is_counted_as_in_plain_python(documents, read):
    assume(settled(documents))
    found = told(documents, max(ORDERS), read, LARGE)
    for order in ORDERS:
        np.testing.assert_allclose(found[order], expected(documents, order, read, LARGE))


# --- probabilities ---


@settings(max_examples=200, deadline=None)
@given(documents=DOCUMENTS, context=st.lists(st.integers(END, VOCABULARY - 1), max_size=4))
def test_probabilities_sum_to_one_after_any_context(documents, context):
    tokens = [token for token in range(LARGE) if token not in (PAD, START)]
    found = told(documents, max(ORDERS), [[*context, token] for token in tokens], LARGE)
    assert list(found) == list(ORDERS)
    for each in found.values():
        last = each.reshape(len(tokens), len(context) + 1)[:, -1]
        assert last.sum() == pytest.approx(1)
        assert (last > 0).all() or not settled(documents)


def test_unseen_tokens_and_contexts_have_a_probability():
    documents = [[4, 5, 4, 5]]
    found = told(documents, 3, [[4, 9], [9, 4], [9, 10], [5, 5, 5]])
    for each in found.values():
        assert (each > 0).all()
    lower = tables_of(documents, 2)[0]  # 4 follows START and 5; 5 follows 4 alone
    assert lower == {(4,): 2, (5,): 1}
    after_unseen = probability([lower], (), 4, VOCABULARY)
    assert found[2][3] == pytest.approx(after_unseen)  # nothing is known of 9, so nothing is taken off
    assert found[3][3] == pytest.approx(after_unseen)
    assert found[3][5] == pytest.approx((0.5 + 1) / 3 / 9)


def test_no_n_gram_reaches_over_the_start_of_a_document():
    documents = [[4, 5, 6], [7, 4], [5, 5, 7, 6, 4]]
    read = [[7, 4, 5], [4, 6], [6]]
    found = told(documents, 3, read)
    for order, each in told(documents[::-1], 3, read).items():
        np.testing.assert_allclose(each, found[order])
    alone = [told(documents, 3, [document]) for document in read]
    for order in ORDERS:
        np.testing.assert_allclose(np.concatenate([each[order] for each in alone]), found[order])
    model = KneserNey(stream(documents), VOCABULARY, 3)
    assert [int(grams.count.sum()) for grams in model.grams] == [10, 10, 7]  # 4 + 3 + 6 tokens, 3 of them START


def test_only_tokens_that_are_predicted_are_told():
    found = told([[4, 5, 6]], 2, [[4], [], [5, 6], []])
    assert {order: len(each) for order, each in found.items()} == {1: 3, 2: 3}
    assert {order: len(each) for order, each in told([[4, 5, 6]], 2, []).items()} == {1: 0, 2: 0}


def test_the_kind_of_integers_does_not_matter():
    documents, large = [[4, 5, 60_000, 4]], 70_000
    expected = KneserNey(stream(documents), large, 3).log_probabilities(stream(documents))
    for kind in ("int32", "uint16", "uint64"):
        model = KneserNey(stream(documents).astype(kind), large, 3)
        for order, each in model.log_probabilities(stream(documents).astype(kind)).items():
            np.testing.assert_array_equal(each, expected[order])


# --- a real text ---


def test_tiny_shakespeare_is_told_as_well_as_it_is_known_to_be():
    folder = DATA / "text_generation" if (DATA / "text_generation").is_dir() else DATA
    path = folder / "tinyshakespeare.txt"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here; set SEQAPPS_DATA to the folder that holds it")
    text = path.read_text(encoding="utf-8")
    assert len(text) == 1_115_394
    letters, ids = np.unique([ord(letter) for letter in text], return_inverse=True)
    cut = len(text) * 9 // 10
    model = KneserNey(np.array([START, *(4 + ids[:cut])]), 4 + len(letters), 6)
    nats = -model.log_probabilities(np.array([START, *(4 + ids[cut:])]))[6]
    assert len(nats) == len(text) - cut
    assert nats.mean() <= 1.558
