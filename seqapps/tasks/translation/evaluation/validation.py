"""What is measured on the validation part while a model is trained, and chosen on it afterwards."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps.decoding.beam import NEVER, normalised
from seqapps.tasks.translation.config import PredictOptions
from seqapps.tasks.translation.data import Part
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.scores import Rules, corpus_bleu
from seqapps.tasks.translation.serving.knobs import KNOB_SPECS, Knobs, knobs_of
from seqapps.tasks.translation.serving.translator import Translator
from seqapps.text.batches import spread
from seqapps.text.pair_batches import EncodedPairs

MOST_PAIRS = 1000  # that are translated, evenly spread over the part
ROWS_AT_ONCE = 64
PENALTIES = tuple(round(0.2 * step, 1) for step in range(16))  # 0 to 3: one search tells the BLEU of them all


class Validation:
    """Translates the validation part with a model as it is.

    Args:
        models: That is trained; of several, together.
        preprocessing: Fitted with them.
        part: The validation part.
        encoded: The same as ids.
        rules: What counts.
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        preprocessing: Preprocessing,
        part: Part,
        encoded: EncodedPairs,
        rules: Rules,
    ) -> None:
        chosen = spread(len(part), MOST_PAIRS)
        self._tokenizer, self._rules = preprocessing.target, rules
        kept = set(chosen.tolist())
        self._references = [target for number, target in enumerate(part.targets()) if number in kept]
        self._order = np.argsort(encoded.source.lengths[chosen], kind="stable")  # positions in the references
        self._rows, self._source = chosen[self._order], encoded.source
        translator = Translator(models, preprocessing)

        def search(source: tf.Tensor, lengths: tf.Tensor, *knobs: tf.Tensor) -> Any:
            return translator.search(source, Knobs(*knobs), lengths)

        specification = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32), *KNOB_SPECS]
        self._search = tf.function(search, input_signature=specification)

    def bleu(self) -> float:
        """BLEU of the likeliest token at every step."""
        answers, _, _ = self._translated(knobs_of(PredictOptions(beam_width=1), 0.0))
        return corpus_bleu([texts[0] for texts in answers], self._references, self._rules)

    def best_penalty(self) -> dict[str, Any]:
        """The length penalty with the highest BLEU, of several.

        Penalties rank what a search has found and do not guide it, so one search serves for all of them.

        Returns:
            What `calibration.json` holds: `length_penalty`, and `bleu` for every one that was tried.
        """
        width = PredictOptions().beam_width
        answers, values, lengths = self._translated(knobs_of(PredictOptions(beam_width=width, n_best=width), 0.0))
        bleu = {}
        for penalty in PENALTIES:
            score = np.where(values > NEVER / 2, normalised(values, lengths, penalty), NEVER)
            chosen = [texts[place] for texts, place in zip(answers, score.argmax(axis=1), strict=True)]
            bleu[penalty] = corpus_bleu(chosen, self._references, self._rules)
        best = max(bleu, key=lambda penalty: (round(bleu[penalty], 3), -penalty))
        return {"length_penalty": best, "beam_width": width, "bleu": {str(each): bleu[each] for each in PENALTIES}}

    def _translated(self, knobs: Knobs) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
        """For every reference the texts that were found, their log-probabilities and their tokens with the end."""
        answers: list[list[str]] = [[]] * len(self._references)
        width = int(knobs.beam_width[0])
        values, lengths = np.zeros((2, len(answers), width))
        for start in range(0, len(self._rows), ROWS_AT_ONCE):
            rows = self._rows[start : start + ROWS_AT_ONCE]
            source = self._source.padded(rows)
            found = self._search(tf.constant(source), tf.constant(self._source.lengths[rows] - 1, tf.int32), *knobs)
            texts = self._tokenizer.decode(tf.reshape(found.tokens, [-1, tf.shape(found.tokens)[2]])).numpy()
            count = (found.tokens.numpy() != 0).sum(axis=2) + found.complete.numpy()
            for place, position in enumerate(self._order[start : start + ROWS_AT_ONCE]):
                answers[position] = [text.decode() for text in texts[place * width : (place + 1) * width]]
                values[position], lengths[position] = found.score.numpy()[place], count[place]
        return answers, values, lengths
