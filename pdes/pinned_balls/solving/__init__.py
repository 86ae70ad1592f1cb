"""What a solve of the pinned-billiard equations is asked for, many solves at once, what the ends do to its error."""
