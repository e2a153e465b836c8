"""The simple methods are fitted on training, their order is chosen on validation, and a run keeps them."""

import numpy as np
import pytest

from seqapps.tasks.generation import baselines
from seqapps.tasks.generation.baselines import HIGHEST_ORDER, UNIGRAM, Baselines, fit
from seqapps.tasks.generation.kneser_ney import KneserNey
from seqapps.text.batches import Encoded
from seqapps.text.kinds import END, START, TOKENIZERS

VOCABULARY = 17
LENGTHS = (701, 13, 409)  # of documents
every_kind = pytest.mark.parametrize("kind", TOKENIZERS)


def drawn(memory, seed, lengths=LENGTHS, noise=0.2):
    """Documents whose next token depends on as many tokens before it, but for some noise."""
    generator = np.random.default_rng(seed)
    documents = []
    for length in lengths:
        tokens = [START, *[4] * memory]
        while len(tokens) < length:
            known = sum((place + 2) * token for place, token in enumerate(tokens[len(tokens) - memory :]))
            usual = 4 + known % 5 if memory else 4
            tokens.append(int(generator.integers(4, 9)) if generator.random() < noise else usual)
        documents.append([*tokens, END])
    return encoded(documents)


def encoded(documents):
    starts = np.cumsum([0, *map(len, documents)])
    return Encoded(np.concatenate(documents).astype("int32"), starts)


def loss(model_order, train, validation, order):
    """Nats per token of an n-gram model of one order, fitted for itself or as part of a longer one."""
    model = KneserNey(train.token_ids, VOCABULARY, model_order)
    return -model.log_probabilities(validation.token_ids)[order].mean()


# --- the order ---


@every_kind
@pytest.mark.parametrize("memory", [1, 2])
def test_the_order_is_what_fits_validation_best(kind, memory):
    train, validation = drawn(memory, seed=0), drawn(memory, seed=1)
    found = fit(train, validation, VOCABULARY, kind, "fast")
    losses = {order: loss(order, train, validation, order) for order in range(1, HIGHEST_ORDER[kind] + 1)}
    assert found.order == min(losses, key=losses.get) == memory + 1
    assert (found.vocabulary_size, found.whole, found.note()) == (VOCABULARY, True, "")
    np.testing.assert_array_equal(found.token_ids, train.token_ids)


def test_tokens_without_an_order_are_best_told_alone():
    found = fit(drawn(0, seed=0, noise=1), drawn(0, seed=1, noise=1), VOCABULARY, "word", "full")
    assert found.order == 1
    told = found.log_probabilities(drawn(0, seed=2).token_ids)
    assert list(told) == [UNIGRAM, "Kneser-Ney, order 1"]
    np.testing.assert_array_equal(told[UNIGRAM], told["Kneser-Ney, order 1"])


def test_orders_are_tried_up_to_what_a_token_makes_sensible():
    assert HIGHEST_ORDER == {"character": 9, "byte_pair": 7, "word": 5, "whitespace": 5}
    train, validation = drawn(2, seed=0), drawn(2, seed=1)
    for order in (1, 2, 5):
        assert loss(5, train, validation, order) == pytest.approx(loss(order, train, validation, order))


def test_the_first_tokens_of_validation_choose(monkeypatch):
    train = drawn(2, seed=0)
    like, unlike = drawn(2, seed=1, lengths=(211,)).token_ids, drawn(0, seed=1, noise=1).token_ids
    validation = encoded([like, unlike])
    assert fit(train, validation, VOCABULARY, "word", "fast").order == 1
    monkeypatch.setattr(baselines, "VALIDATED", len(like))
    assert fit(train, validation, VOCABULARY, "word", "fast").order == 3


@pytest.mark.parametrize(("kind", "most"), [("fast", 211), ("full", 503)])
def test_of_many_tokens_the_last_ones_are_counted(monkeypatch, kind, most):
    monkeypatch.setattr(baselines, "MOST_TOKENS", {"fast": 211, "full": 503})
    train, validation = drawn(2, seed=0), drawn(2, seed=1)
    found = fit(train, validation, VOCABULARY, "word", kind)
    np.testing.assert_array_equal(found.token_ids, [START, *train.token_ids[-most:][1:]])
    assert not found.whole
    assert found.note() == f"The n-gram model was counted on the last {most} tokens of the training part."
    assert train.token_ids[-most] != START  # the training part itself is not changed
    few = encoded([train.token_ids[: most - 1]])
    assert fit(few, validation, VOCABULARY, "word", kind).whole


# --- answers ---


def test_every_token_but_starts_is_told_by_both_methods():
    train, other = drawn(2, seed=0), drawn(2, seed=1)
    found = fit(train, other, VOCABULARY, "character", "fast")
    assert found.kneser_ney == "Kneser-Ney, order 3"
    told = found.log_probabilities(other.token_ids)
    assert list(told) == [UNIGRAM, "Kneser-Ney, order 3"]
    model = KneserNey(train.token_ids, VOCABULARY, 3)
    for order, each in ((1, told[UNIGRAM]), (3, told["Kneser-Ney, order 3"])):
        np.testing.assert_array_equal(each, model.log_probabilities(other.token_ids)[order])
        assert len(each) == sum(LENGTHS)
    share = np.mean(train.token_ids[train.token_ids != START] == 4)
    assert told[UNIGRAM][0] == pytest.approx(np.log(share), abs=0.01)


def test_saved_baselines_answer_the_same(tmp_path):
    other = drawn(2, seed=1)
    for number, whole in enumerate((True, False)):
        token_ids = drawn(2, seed=number).token_ids
        found = Baselines(token_ids, VOCABULARY, 2 + number, whole)
        found.save(tmp_path / "baselines.npz")
        again = Baselines.load(tmp_path / "baselines.npz")
        assert (again.vocabulary_size, again.order, again.whole) == (VOCABULARY, 2 + number, whole)
        assert (again.kneser_ney, again.note()) == (found.kneser_ney, found.note())
        assert type(again.order) is type(again.vocabulary_size) is int
        np.testing.assert_array_equal(again.token_ids, token_ids)
        assert again.token_ids.dtype == token_ids.dtype
        for method, each in found.log_probabilities(other.token_ids).items():
            np.testing.assert_array_equal(again.log_probabilities(other.token_ids)[method], each)
    assert [path.name for path in tmp_path.iterdir()] == ["baselines.npz"]
