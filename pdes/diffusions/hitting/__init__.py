"""Mean first passage times, committors and the Poisson equation: sets, fields, solves on a line and on a grid."""
