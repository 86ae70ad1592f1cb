"""Transitions between two sets: bounds of their frequency."""
