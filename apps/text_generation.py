r"""Train a language model on texts: from a text file to a served model that writes on and scores.

Train on the demo data and look at the scores; the report is `runs/commonplace/report.html`:

    $ python apps/text_generation.py train data/generation/commonplace.jsonl runs/commonplace \
          --config data/generation/demo.toml
    185607 characters: train 147858, validation 19227, test 18522; 1000 tokens (byte_pair).
    Training gru, 1 layer(s), units [256].
    …

Let it write, as the text is made or for many prompts, score it on another part, and put the SavedModel where a server
looks:

    $ python apps/text_generation.py predict runs/commonplace --prompt "Dear sister," --temperature 0.7
    $ printf 'The soup\nOn Tuesday\n' | python apps/text_generation.py predict runs/commonplace - --max-new-tokens 40
    $ python apps/text_generation.py evaluate runs/commonplace data/generation/commonplace.jsonl --split validation
    $ python apps/text_generation.py export runs/commonplace models/commonplace
    Verified and written: models/commonplace/1

`python apps/text_generation.py train --help` lists every option.
"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("generation")
