"""Currents of actions from densities of up to three of them: means, production of entropy, conductivity."""
