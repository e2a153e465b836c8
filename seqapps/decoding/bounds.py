"""What a text that is written may be at most. Imports no TensorFlow."""

MOST_TOKENS = 4096  # new ones of a row
LONGEST_STOP = 64  # bytes
WIDEST_BEAM = 16  # hypotheses per row: attention takes memory for each
LONGEST_SOURCE = 512  # tokens that are read
LONGEST_TARGET = 512  # tokens of a hypothesis
