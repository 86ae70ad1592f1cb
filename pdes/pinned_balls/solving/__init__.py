"""What a solve of the pinned-billiard equations is asked for, and many solves at once."""
