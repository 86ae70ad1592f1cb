"""Elliptic problems on a mesh: hitting times, committors, transitions, modes; and the sets that they are about."""
