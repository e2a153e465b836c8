"""Judging answers that name classes: calibrated probabilities, scores, and what chance explains of them."""
