"""Meshes of the domains that the equations live on; the intervals so far are made where they are used."""
