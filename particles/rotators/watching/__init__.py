"""What is watched of every step while rotators are sampled: running maxima, time spent at small actions, integrals."""
