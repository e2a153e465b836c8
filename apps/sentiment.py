r"""Classify texts: from a table of texts and labels to a served classifier.

Train on the demo data and look at the scores; the report is `runs/reviews/report.html`:

    $ python apps/sentiment.py train data/sentiment/reviews.csv runs/reviews --config data/sentiment/demo.toml
    880 texts: train 616, validation 88, test 176; 2 classes: negative, positive; 3114 tokens.
    Training gru, 1 layer(s), units [32].
    …

Score the run on another part, classify new texts, and put the SavedModel where a server looks:

    $ python apps/sentiment.py evaluate runs/reviews data/sentiment/reviews.csv --split validation
    $ echo "Friendly staff, and the soup was hot." | python apps/sentiment.py predict runs/reviews -
    $ python apps/sentiment.py export runs/reviews models/reviews
    Verified and written: models/reviews/1

`python apps/sentiment.py train --help` lists every option.
"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("sentiment")
