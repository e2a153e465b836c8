r"""Train a language model on texts, let it write, and serve it."""

from seqapps import cli

if __name__ == "__main__":
    cli.main("generation")
