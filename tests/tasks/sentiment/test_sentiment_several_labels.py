"""A run of several labels per text has one answer wherever it is asked, and what was sampled is told everywhere."""

import io
import math
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from test_sentiment_serving import CLASSES, NASTY, SEPARATOR, TEXTS, assert_same, classified, default, made

import seqapps
from seqapps import export, run_folder
from seqapps.classification.scores import answered
from seqapps.tasks.sentiment import Config, baselines, data, preprocessing, serving, train

ASKED = ["cold food", "warm", "cold", "zzz", "", "food food food", "cold warm food"]
MOST = 30  # texts that the tokenizer and the baselines see


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The folder of a run, what was told on the terminal, and the number of texts that it was trained on."""
    words = ("cold", "food", "warm")
    rows = [[word for bit, word in enumerate(words) if number >> bit & 1] for number in range(8)] * 12
    table = pd.DataFrame(
        {
            "text": [f"{' '.join(words)} no{row}" for row, words in enumerate(rows)],
            "label": ["+".join(row) for row in rows],
        }
    )
    root = tmp_path_factory.mktemp("several")
    vectors = root / "vectors.txt"
    vectors.write_text("cold 1 0 0\nfood 0 1 0\n", encoding="utf-8")
    config = Config(
        label_separator="+", units=7, epochs=4, batch_size=5, learning_rate=0.05, embeddings=str(vectors),
        train_embeddings=False, vocabulary_size=8,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as told:
        patch.setattr(preprocessing, "MOST_TEXTS", MOST)
        patch.setattr(baselines, "MOST_TEXTS", MOST)
        train(config, table, root / "run")
    return root / "run", told.getvalue(), data.load(table, config).count("train")


# --- a trained run ---


def test_predict_gives_the_label_of_the_served_model(story):
    served = tf.saved_model.load(str(export.newest_version(story[0] / "export")))
    answer = {name: value.numpy() for name, value in served.serving_default(tf.constant(ASKED)).items()}
    found = seqapps.load(story[0]).predict(ASKED)
    assert found["label"].tolist() == [label.decode() for label in answer["label"]]
    np.testing.assert_allclose(found["probability"], answer["probability"], rtol=1e-5)
    chosen = answered(answer["probabilities"], multi_label=True)
    assert found["label"].tolist() == ["+".join(np.array(["cold", "food", "warm"])[row]) for row in chosen]
    assert len({label.count("+") for label in found["label"]}) > 1


def test_notes_are_told_on_the_terminal_in_the_metrics_the_report_and_the_model_card(story):
    folder, told, count = story
    seen = math.ceil(count / math.ceil(count / MOST))
    vectors = folder.parent / "vectors.txt"
    notes = [
        f"The tokenizer was fitted on {seen} of {count} training texts, spread evenly over them.",
        f"The baselines were fitted on {seen} of {count} training texts, spread evenly over them.",
        f"2 of 8 tokens (25%) have a vector in {vectors}.",
    ]
    assert run_folder.read_json(folder / "metrics.json")["notes"] == notes
    assert [line.removeprefix("Note: ") for line in told.splitlines() if line.startswith("Note: ")] == notes
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert [note for note in notes if f"<p>Note: {note}</p>" not in report] == []
    card = (folder / "README.md").read_text(encoding="utf-8")
    lines = "\n".join(f"- {note}" for note in notes)
    assert f"at most, from its start and its end.\n\n## To know\n\n{lines}\n\n## Scores on the test part\n" in card


# --- a bundle ---


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bundle of several labels and byte pairs that was written and read again."""
    folder = tmp_path_factory.mktemp("bundle") / "1"
    bundle = made("byte_pair", multi_label=True)[0]
    tf.saved_model.save(bundle, str(folder), signatures=bundle.functions)
    return tf.saved_model.load(str(folder))


def test_a_text_has_none_one_or_several_of_the_labels():
    probabilities = tf.constant([[0.5, 0.1, 0.4], [0.1, 0.2, 0.6], [0.9, 0.4, 0.51], [0.6, 0.7, 0.8]])
    found = serving._label(probabilities, tf.constant(CLASSES), SEPARATOR).numpy()
    assert [label.decode() for label in found] == ["", "good", "bad | good", "bad | fine | good"]
    assert serving._label(probabilities[:0], tf.constant(CLASSES), SEPARATOR).shape == (0,)


def test_classify_gives_the_labels_as_a_list():
    bundle = made(multi_label=True)[0]
    texts = [*TEXTS, "", "…", "room"]
    plain, listed = default(bundle, texts), classified(bundle, texts, threshold=[0.5], top_k=[len(CLASSES)])
    assert len(set(plain["label"].tolist())) > 2
    for label, names, accepted in zip(plain["label"], listed["labels"], listed["accepted"], strict=True):
        assert sorted(names[accepted]) == sorted(label.split(SEPARATOR.encode()))


def test_what_a_label_is_stands_beside_the_signatures():
    facts = serving.facts(made(multi_label=True)[2], Config(label_separator=SEPARATOR))
    assert facts["label"] == "all classes whose probability is above 0.5, joined by ' | '; empty if there is none"
    assert (facts["multi_label"], facts["label_separator"]) == (True, SEPARATOR)


def test_a_written_bundle_of_several_labels_and_byte_pairs_answers_as_before(saved):
    bundle = made("byte_pair", multi_label=True)[0]
    texts = [*TEXTS, *(text for text in NASTY.values() if len(text) < 100)]
    top_k = [3, *[2] * (len(texts) - 1)]
    assert_same(classified(saved, texts, top_k=top_k), classified(bundle, texts, top_k=top_k))
    assert_same(found := default(saved, texts), default(bundle, texts))
    assert not np.allclose(found["probabilities"].sum(axis=1), 1)
    assert_same(classified(saved, texts), classified(saved, texts, threshold=[0.0], top_k=[1]))
