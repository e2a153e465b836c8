"""Several models of one task side by side: what each costs, how good it is, and which differences are real."""
