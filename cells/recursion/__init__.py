"""The recursion over the levels, with the space, the samples and the reduced basis that each cell needs."""
