"""What stands for a logit that must not count."""

NEVER = -1e9  # a softmax makes it 0; finite, so that a row of nothing else has no NaN
