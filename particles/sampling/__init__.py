"""How every sampler runs: counter-based random numbers, equal steps, threads and ranks."""
