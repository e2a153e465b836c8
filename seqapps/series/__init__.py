"""Reading and validating series, their time grid, windows, and scaling inside the graph."""
