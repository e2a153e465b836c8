"""The bundle: sound → a word or a transcript, as the interface of signatures fixes them."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import export
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.tasks.speech.serving.answering import answer
from seqapps.tasks.speech.serving.served import Served
from seqapps.tasks.speech.serving.streaming import Stream

__all__ = ["Served", "bundle", "example_requests", "facts"]
PCM16 = tf.TensorSpec([None], tf.string, name="pcm16")
WAVEFORM = tf.TensorSpec([None, None], tf.float32, name="waveform")
LENGTH = tf.TensorSpec([None], tf.int32, name="length")
CHUNK = tf.TensorSpec([None, None], tf.float32, name="chunk")
BYTES_PER_SAMPLE = 2
FULL_SCALE = 2.0**15


def bundle(model: keras.Model, prepared: Preprocessing, config: Config, temperature: float) -> export.Bundle:
    """The signatures `serving_default`, `waveform` and, of a model in one direction, `stream`.

    Args:
        model: From `build_model`.
        prepared: Fitted with the model.
        config: The options.
        temperature: Divides the logits of words.

    Returns:
        A bundle with
        `serving_default(pcm16)`: 16-bit little-endian samples of one channel at the model's rate, as bytes;
        `waveform(waveform, length)`: samples in [-1, 1], and how many of a row are its own;
        `stream(chunk, length, state)`: as `waveform`, of what has come since the call that gave the state, which is
        zeros at the start. Each answers with `label`, `probability` and `probabilities (batch, words)`, or with `text`
        and `log_probability`. A stream's label is that of all it has heard; its text is what the chunk adds.
    """
    model.get_layer("stack").use_cudnn = False  # a graph traced for cuDNN would not run on a CPU

    def whole(waveform: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        read = waveform[:, : prepared.most_samples]
        return answer(model([read, tf.clip_by_value(length, 0, tf.shape(read)[1])]), prepared, config, temperature)

    @tf.function(input_signature=[PCM16])
    def serving_default(pcm16):
        return whole(*decoded(pcm16, prepared.most_samples))

    @tf.function(input_signature=[WAVEFORM, LENGTH])
    def waveform(waveform, length):
        return whole(waveform, length)

    functions = {"serving_default": serving_default, "waveform": waveform}
    if not config.bidirectional:
        stream = Stream(model, prepared, config, temperature)
        state = tf.TensorSpec([None, stream.state_size], tf.float32, name="state")
        functions["stream"] = tf.function(stream.hear, input_signature=[CHUNK, LENGTH, state])
    tables = prepared.tokenizer.tables if prepared.tokenizer is not None else ()
    return export.Bundle([variable.value for variable in model.variables], functions, tables)


def decoded(pcm16: tf.Tensor, most_samples: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Bytes → `(batch, samples)` float32 in [-1, 1] and `(batch,)` int32; half a sample at an end is left out."""
    lengths = tf.minimum(tf.strings.length(pcm16) // BYTES_PER_SAMPLE, most_samples)
    longest = tf.maximum(tf.reduce_max(lengths), 1)
    size = BYTES_PER_SAMPLE * longest
    even = tf.strings.substr(pcm16, tf.zeros_like(lengths), BYTES_PER_SAMPLE * lengths)
    samples = tf.io.decode_raw(even, tf.int16, little_endian=True, fixed_length=size)
    return tf.cast(samples, tf.float32) / FULL_SCALE, lengths


def facts(prepared: Preprocessing, config: Config) -> dict[str, Any]:
    """What `signatures.json` tells beside shapes."""
    frames = prepared.frames
    told = {
        "task": "speech",
        "mode": config.mode,
        "sample_rate": frames.sample_rate,
        "max_seconds": prepared.max_seconds,
        "seconds_per_step": frames.hop / frames.sample_rate,
        "channels": 1,
        "samples": "pcm16: 16 bits, signed, little-endian, as bytes; waveform and chunk: between -1 and 1",
        "stream": None if config.bidirectional else STREAMED[config.mode],
    }
    if prepared.transcribes:
        return told | {"tokenizer": config.tokenizer, "beam_width": config.beam_width, "log_probability": "nats"}
    return told | {"classes": list(prepared.classes), "label": "the word with the highest probability"}


STREAMED = {
    "classify": "the answer for all that was heard; a state of zeros starts anew",
    "transcribe": "what the chunk adds to the text, of the likeliest path; log_probability is that of all that was "
    "heard; a state of zeros starts anew",
}


def example_requests(sounds: Sounds, prepared: Preprocessing, config: Config) -> dict[str, dict[str, np.ndarray]]:
    """One golden request per signature: two recordings, silence, one sample, an odd number of bytes, NaN."""
    heard = [sounds.samples[sounds.starts[row] : sounds.starts[row + 1]] for row in (0, len(sounds) - 1)]
    pcm = [np.round(each * (FULL_SCALE - 1)).astype("<i2").tobytes() for each in heard]
    pcm += [bytes(2 * prepared.frames.sample_rate // 5), b"\x01\x02", b"", b"\x00\x10\x00\xf0\x7f"]
    waveform, length = sounds.padded(np.array([0, len(sounds) - 1]))
    broken = np.where(np.arange(waveform.shape[1]) % 97 == 5, np.nan, waveform[0]).astype("float32")
    waveforms = np.stack([*waveform, broken, np.zeros_like(broken), broken])
    lengths = np.array([*length, length[0], length[0] // 2, 0], "int32")
    requests = {
        "serving_default": {"pcm16": np.array(pcm, dtype=object)},
        "waveform": {"waveform": waveforms, "length": lengths},
    }
    if not config.bidirectional:
        size = Stream.size_of(config, prepared)
        state = np.zeros((len(waveforms), size), "float32")
        requests["stream"] = {"chunk": waveforms, "length": lengths, "state": state}
    return requests
