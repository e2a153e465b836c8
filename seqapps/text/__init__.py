"""Corpus reading, length-bucketed batching, and tokenizers that encode and decode inside the graph."""
