"""The factory: one recurrent layer of any cell, depth and direction."""
