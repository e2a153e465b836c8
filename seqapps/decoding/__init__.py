"""Loops inside the graph that turn a network's step into text."""
