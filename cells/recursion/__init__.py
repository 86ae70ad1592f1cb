"""From the fastest scale to the slowest: V1 = sum U_k, the levels, the recursion K_N -> K_0."""
