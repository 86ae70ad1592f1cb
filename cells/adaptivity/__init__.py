"""Which space, how many samples and which reduced basis a tolerance needs."""
