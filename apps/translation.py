r"""Train a model that translates, from pairs of sentences: a served model with beam search, text to text.

Train on the demo data and look at the scores; the report is `runs/french/report.html`:

    $ python apps/translation.py train data/translation/english_french runs/french --config data/translation/demo.toml
    3633 pairs: train 3313, validation 160, test 160; 1500 and 1500 tokens (byte_pair).
    Training gru, 1 layer(s), units [128], encoder in two directions, attention additive.
    …

Translate new sentences, score the run with greedy search, and put the SavedModel where a server looks:

    $ printf 'Where is the red book?\n' | python apps/translation.py predict runs/french - --beam-width 5
    $ python apps/translation.py evaluate runs/french data/translation/english_french --beam-width 1
    $ python apps/translation.py export runs/french models/french
    Verified and written: models/french/1

`python apps/translation.py train --help` lists every option.
"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("translation")
