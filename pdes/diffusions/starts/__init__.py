"""Where paths start: densities and points, as probabilities at the nodes of a grid."""
