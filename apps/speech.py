"""Recorded words and sentences, from files of sound to a served model that listens.

    python apps/speech.py train data/speech/digits.csv runs/digits --config data/speech/demo.toml
    python apps/speech.py predict runs/digits data/speech/digits
    python apps/speech.py evaluate runs/digits data/speech/digits.csv
    python apps/speech.py export runs/digits models/digits

A table lists files with a label each, or with `--mode transcribe` a transcript:

    python apps/speech.py train data/speech/strings.csv runs/strings --config data/speech/demo_strings.toml

`python apps/speech.py train --help` lists every option.
"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("speech")
