"""Energies of rotators: their law as the push-forward of the law of actions, and samples of them."""
