"""x"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("speech")
