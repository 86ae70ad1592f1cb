"""Currents of actions between sites: how R splits into flows, their means, conductivities and entropy production."""
