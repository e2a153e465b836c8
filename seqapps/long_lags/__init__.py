"""At which lag each cell gives up: small networks trained on the long-lag problems, side by side."""
