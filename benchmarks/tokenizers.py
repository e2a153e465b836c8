"""Measures how fast texts are encoded inside the graph, beside Hugging Face tokenizers, and writes `tokenizers.md`.

    python benchmarks/tokenizers.py --data FILE      every kind of tokenizer
    python benchmarks/tokenizers.py --table          the table again, from the results

FILE is a text; by default `text_generation/tinyshakespeare.txt` in the folder that SEQAPPS_DATA names. The package
`tokenizers` of Hugging Face is needed beside those of the project: `pip install tokenizers==0.23.3`.

Both encode the same batches of 1,000 lines on one thread, in turn, again and again. Processor time is taken, and of the
ratios in each turn the median, so that other work on the machine matters little. Hugging Face's cache of words is warm.
"""

import os

os.environ |= {  # before anything imports TensorFlow
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TOKENIZERS_PARALLELISM": "false",
}

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import tensorflow as tf

from seqapps.text import pieces, tokenizers
from seqapps.text.byte_pair import FIRST_BYTE
from seqapps.text.kinds import TOKENIZERS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "tokenizers.json"
DEFAULT = Path("text_generation", "tinyshakespeare.txt")
NEEDED = "tokenizers==0.23.3"
LINES = 1000  # of a batch
VOCABULARY_SIZE = 8192
WARM_UP, TURNS = 2, 15
BESIDE = {  # what Hugging Face has that does about the same
    "word": "WordLevel on Whitespace",
    "whitespace": "WordLevel on WhitespaceSplit",
    "character": "WordLevel on Split of every character",
    "byte_pair": "BPE on ByteLevel",
}


def package() -> ModuleType:
    """The package `tokenizers`. This file has its name, so the search must not come here."""
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != HERE]
    if importlib.util.find_spec("tokenizers") is None:
        sys.exit(f"Hugging Face tokenizers are needed: pip install {NEEDED}")
    return importlib.import_module("tokenizers")


def hugging_face(kind: str, lines: list[str]):
    """A tokenizer of Hugging Face, trained on the same text to the same size."""
    theirs = package()
    cut = {
        "word": theirs.pre_tokenizers.Whitespace(),
        "whitespace": theirs.pre_tokenizers.WhitespaceSplit(),
        "character": theirs.pre_tokenizers.Split(theirs.Regex(r"[\s\S]"), "isolated"),
        "byte_pair": theirs.pre_tokenizers.ByteLevel(add_prefix_space=False),
    }
    options = {"vocab_size": VOCABULARY_SIZE, "show_progress": False}
    if kind == "byte_pair":
        made = theirs.Tokenizer(theirs.models.BPE())
        trainer = theirs.trainers.BpeTrainer(initial_alphabet=cut[kind].alphabet(), **options)
    else:
        made = theirs.Tokenizer(theirs.models.WordLevel(unk_token="<unk>"))
        trainer = theirs.trainers.WordLevelTrainer(special_tokens=list(tokenizers.SPECIAL_TOKENS), **options)
    made.pre_tokenizer = cut[kind]
    made.train_from_iterator(lines, trainer)
    return made


def seconds(encode: Callable, batches: list) -> float:
    """Processor time of all batches, one after the other."""
    began = time.process_time()
    for batch in batches:
        encode(batch)
    return time.process_time() - began


def measure(kind: str, lines: list[str]) -> dict:
    """Both encode all lines, in turn."""
    size = sum(len(line.encode()) for line in lines) / 1e6
    batches = [lines[start : start + LINES] for start in range(0, len(lines), LINES)]
    ours, theirs = tokenizers.fit(kind, lines, VOCABULARY_SIZE), hugging_face(kind, lines)
    graph = tf.function(ours.encode, input_signature=[tf.TensorSpec([None], tf.string)])
    tensors = [tf.constant(batch) for batch in batches]

    def with_ids(batch: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in theirs.encode_batch_fast(batch)]

    turns = [(seconds(graph, tensors), seconds(with_ids, batches)) for _ in range(WARM_UP + TURNS)][WARM_UP:]
    if kind == "byte_pair":
        check_merges(ours, tensors)
    return {
        "seqapps MB/s": size / statistics.median(our for our, _ in turns),
        "hugging face MB/s": size / statistics.median(their for _, their in turns),
        "ratio": statistics.median(their / our for our, their in turns),
        "seqapps tokens": sum(int(tf.size(graph(batch).values)) for batch in tensors),
        "hugging face tokens": sum(len(ids) for batch in batches for ids in with_ids(batch)),
        "vocabulary": ours.vocabulary_size,
    }


def check_merges(ours: tokenizers.Tokenizer, batches: list[tf.Tensor]) -> None:
    """Refuse to speak of speed if Hugging Face's BPE, given the same merges, makes other ids of a piece."""
    texts = ours._coder.texts
    merges = [tuple(_as_text(texts[id]) for id in pair) for pair in ours._coder.merges]
    ids = {_as_text(text): id for id, text in enumerate(texts) if id >= FIRST_BYTE}
    theirs = package().models.BPE(ids, merges)
    for batch in batches:
        rows = pieces.split("byte_pair", batch).to_list()
        expected = [[token.id for piece in row for token in theirs.tokenize(_as_text(piece))] for row in rows]
        if ours.encode(batch).to_list() != expected:
            sys.exit("Byte pairs must be merged as Hugging Face's BPE merges them. Received: other ids.")


def _as_text(raw: bytes) -> str:
    """One character per byte, for a package that knows bytes as characters only."""
    return "".join(chr(0x100 + byte) for byte in raw)


def table() -> str:
    """The results as Markdown."""
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    lines = [
        "# Tokenizers, measured",
        "",
        f"Written by `{result['command']}`.",
        "",
        f"Encoding {result['megabytes']:.2f} MB in {result['lines']:,} lines, {LINES:,} lines at a time, on one thread "
        f"({result['machine']}), beside Hugging Face {NEEDED}. MB per second of processor time: medians of {TURNS} "
        "turns in which both encode all lines, and the median of the turns' ratios. Seqapps runs as a TensorFlow graph "
        "from strings to ids, as in training and in the SavedModel; Hugging Face runs `encode_batch_fast`, ids taken, "
        "its cache of words warm. The numbers of tokens differ because the rules that cut a text do.",
        "",
        "| kind | MB/s | Hugging Face, MB/s | ratio | tokens | tokens, Hugging Face | vocabulary | Hugging Face does |",
        "|---" * 8 + "|",
    ]
    for kind, row in result["kinds"].items():
        lines.append(
            f"| {kind} | {row['seqapps MB/s']:.1f} | {row['hugging face MB/s']:.1f} | {row['ratio']:.1f} "
            f"| {row['seqapps tokens']:,} | {row['hugging face tokens']:,} | {row['vocabulary']:,} | {BESIDE[kind]} |"
        )
    lines += ["", "Check: given the same merges, Hugging Face's BPE makes the same ids of every piece of the text.", ""]
    return "\n".join(lines)


def run(path: Path) -> dict:
    """Measure every kind on one text."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    kinds = {}
    for kind in TOKENIZERS:
        kinds[kind] = measure(kind, lines)
        print(f"{kind}: {kinds[kind]['seqapps MB/s']:.1f} MB/s, {kinds[kind]['ratio']:.1f} times as fast", flush=True)
    return {
        "command": f"python benchmarks/tokenizers.py --data DIR/{'/'.join(path.parts[-2:])}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "megabytes": len(text.encode()) / 1e6,
        "lines": len(lines),
        "kinds": kinds,
        "versions": {name: importlib.metadata.version(name) for name in ("tensorflow", "tokenizers")},
        "machine": f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("SEQAPPS_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder) / DEFAULT, metavar="FILE")
    parser.add_argument("--table", action="store_true", help="write the table from the results")
    words = parser.parse_args()
    if not words.table:
        if words.data is None or not words.data.is_file():
            parser.error("--data FILE, or SEQAPPS_DATA with the folder of the data, is needed")
        package()  # or say what is missing before anything takes long
        RESULTS.write_text(json.dumps(run(words.data), indent=2) + "\n", encoding="utf-8")
    (HERE / "tokenizers.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
