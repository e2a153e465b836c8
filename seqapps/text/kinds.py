"""Names that need no TensorFlow: the kinds of tokenizers, and the ids that mean the same in each."""

TOKENIZERS = ("word", "whitespace", "character", "byte_pair")
PAD, UNKNOWN, START, END = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<unk>", "<start>", "<end>")
END_OF_LINE = "<eos>"  # in tokenised corpora, as in the Penn Treebank and WikiText
