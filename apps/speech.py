"""Listen to words and sentences: from recordings to a served model.

Train on the demo data and look at the scores; the report is `runs/digits/report.html`:

    $ python apps/speech.py train data/speech/digits.csv runs/digits --config data/speech/demo.toml
    660 recordings at 8000 Hz: train 480, validation 80, test 100; 10 words: eight, five, four, nine, one, …
    Training gru, 1 layer(s), units [96], two directions, mode classify.
    …

Score the run on another part, listen to a new recording, and put the SavedModel where a server looks:

    $ python apps/speech.py evaluate runs/digits data/speech/digits.csv --split validation
    $ python apps/speech.py predict runs/digits data/speech/digits/en-us-f4-mid-three-1.flac
    $ python apps/speech.py export runs/digits models/digits
    Verified and written: models/digits/1

Write all that is said instead of one word:

    $ python apps/speech.py train data/speech/strings.csv runs/strings --config data/speech/demo_strings.toml

`python apps/speech.py train --help` lists every option.
"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("speech")
