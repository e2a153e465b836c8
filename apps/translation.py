r"""Train a model that translates, from pairs of sentences: a served model with beam search, text to text."""

from seqapps import cli

if __name__ == "__main__":
    cli.main("translation")
