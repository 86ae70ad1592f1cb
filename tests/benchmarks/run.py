"""make bench: ours beside its peers, in the same run; medians of at least five."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tools")]

import balls
import cell_problems
import densities
import equations
import langevin
import lattice
import own_meshes
import rare_events
import rotators
from table import print_table

print_table(
    [
        row
        for part in (balls, equations, lattice, cell_problems, densities, own_meshes, rare_events, langevin, rotators)
        for row in part.rows()
    ]
)
