"""What is kept of a density at a time: its moments, and its values in a file."""
