"""Dissipations of rotators: their coefficients, their averages over the angles, what is checked of them."""
