"""Results and unfinished evolutions on a mesh in files that do not depend on the number of ranks."""
