"""The cells of one level in a space that is given: their coefficient, their solution, and the error of each."""
