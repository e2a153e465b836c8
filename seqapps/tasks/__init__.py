"""The tasks: each a folder with the same files in the same roles."""

TASKS = ("forecasting", "sentiment", "generation", "translation", "speech")
