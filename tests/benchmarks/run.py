"""make bench: ours beside its peers, in the same run; medians of at least five."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tools")]

import balls
import bench_record
import cell_problems
import densities
import equations
import langevin
import lattice
import own_meshes
import rare_events
import rotator_lattices
from table import print_table

rows = [
    row
    for part in (
        balls,
        equations,
        lattice,
        cell_problems,
        densities,
        own_meshes,
        rare_events,
        langevin,
        rotator_lattices,
    )
    for row in part.rows()
]
print_table(rows)
before = bench_record.last()
bench_record.print_lost(rows, before)
print(f"recorded in {bench_record.save(rows)}")
