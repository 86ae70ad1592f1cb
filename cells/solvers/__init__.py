"""One cell problem: its energy, its dual, how they are solved."""
