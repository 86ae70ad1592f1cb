"""Draws architecture.svg beside it, when it is run: packages as floors, folders as rooms, families as columns."""

from html import escape
from pathlib import Path

WIDTH, LEFT, GAP, COLUMN = 920, 154, 8, 240
BALLS, DIFFUSIONS, ROTATORS, ALL = "#fde2c4", "#cfe3f7", "#d5efd3", "#eeeeee"
# lines of small letters, above and below them
LINE, ABOVE, BELOW = 15, 24, 8


def wide(title, text, colour=ALL, columns=3, start=0):
    """A room of one line, with the text in the row of its title."""
    return {"title": title, "beside": text, "lines": (), "colour": colour, "columns": columns, "start": start}


def room(title, *lines, colour, start):
    """A room of one column with lines below its title."""
    return {"title": title, "beside": "", "lines": lines, "colour": colour, "columns": 1, "start": start}


# from the top; rooms of one list are beside one another
FLOORS = [
    ("pdes", ("the effective", "equations:", "UFL forms, PETSc", "solves"), [
        [wide("pictures", "surfaces by pyvista")],
        [wide("comparison/", "samples of each family beside its limit, with a verdict: compare")],
        [room("pinned_balls/", "BilliardEquations", "FiniteSizeEquations", "picard_iteration, exact limits",
              colour=BALLS, start=0),
         room("diffusions/", "FokkerPlanck, EffectiveFokkerPlanck", "hitting/, transitions/: times, rates",
              "capacity/, elements/: bounds, spectra", "on_a_mesh/: on any mesh of dolfinx",
              "starts/, snapshots/, storage/, output/", colour=DIFFUSIONS, start=1),
         room("rotators/", "TransportFokkerPlanck, EffectivePlane", "(the plane is a diffusion)",
              "currents/: entropy, conductivity", "finite_epsilon/: RotatorFokkerPlanck",
              colour=ROTATORS, start=2)],
        [wide("time/", "Rosenbrock, Chebyshev and resolvent schemes, step control, checkpoints; knows no equation")],
    ]),
    ("cells", ("averages over", "tori"), [
        [room("(none)", "The equations of the balls have", "no fast variable to average over.", colour=BALLS, start=0),
         room("the folder itself", "effective_tensor, correctors,", "effective_coefficients, pictures",
              colour=DIFFUSIONS, start=1),
         room("the folder itself", "averaged_dissipation:", "R(I) and K(v)", colour=ROTATORS, start=2)],
        [wide("recursion/", "K_N -> ... -> K_1 -> K_0", DIFFUSIONS, 1, 0),
         wide("fenicsx/", "one cell in UFL, PETSc", DIFFUSIONS, 1, 1)],
        [wide("levels/", "V1 = sum of U_k;  the cells of a level in one space, their errors", DIFFUSIONS, 2)],
        [wide("solvers/", "one cell: its energy, its dual, conjugate gradients, wells", DIFFUSIONS, 2)],
        [wide("spaces/", "elements and trigonometric polynomials on tori, interpolation", DIFFUSIONS, 2)],
    ]),
    ("meshes", ("of tori and", "boxes"), [
        [wide("files/", "functions on meshes for ParaView, pyvista and xarray, time by time")],
        [wide("torus, box", "periodic topology, walls, grids of nodes, evaluation, values that any rank reads")],
        [wide("linear_algebra/", "one interface for sparse matrices: PETSc and SLEPc, or scipy")],
        [wide("backend/", "every line that knows a version of FEniCSx; options of PETSc; quadrature; display")],
    ]),
    ("particles", ("microscopic", "models and their", "samplers: numpy", "and numba, no", "FEniCSx"), [
        [room("pinned_balls/", "PinnedBalls, Ensemble", "tests of white noise", colour=BALLS, start=0),
         room("diffusions/", "MultiscalePotential", "Langevin, EffectiveLangevin, Paths", "passages/: FirstPassages",
              colour=DIFFUSIONS, start=1),
         room("rotators/", "RotatorLattice, TransportProcess", "dissipations/, turning/: assumptions",
              "watching/, stationary/: what is sampled", "coupled/: lattice and limit together",
              "currents/: flows, conductivity", colour=ROTATORS, start=2)],
        [wide("sampling/", "counter-based random numbers (Philox), threads, ranks, steps; MPI, or one process")],
        [wide("showing/", "how results show themselves: texts, pictures, films, datasets of xarray")],
        [wide("support/", "checks of arguments, archives, progress bars, the log, functions of users")],
        [wide("errors", "InvalidArgument, NotConverged, Unresolved; the warnings, and warn()")],
    ]),
]  # fmt: skip


def text(x, y, content, style=""):
    """Letters at a place."""
    return f'<text x="{x}" y="{y}"{style}>{escape(content)}</text>'


def box(x, y, width, height, style):
    """A rectangle."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" {style}/>'


def height(one):
    """Of a room."""
    return ABOVE + BELOW + LINE * len(one["lines"]) - (0 if one["lines"] else 4)


def drawn(one, y, tall):
    """A room, as tall as its row."""
    x = LEFT + one["start"] * (COLUMN + GAP)
    width = one["columns"] * (COLUMN + GAP) - GAP
    parts = [
        box(x, y, width, tall, f'rx="4" fill="{one["colour"]}" stroke="#999999"'),
        text(x + 10, y + 19, one["title"], ' font-weight="bold"'),
    ]
    if one["beside"]:
        parts.append(text(x + (128 if one["columns"] > 1 else 90), y + 18, one["beside"], ' font-size="11"'))
    lines = enumerate(one["lines"])
    return parts + [text(x + 10, y + 36 + LINE * k, line, ' font-size="11"') for k, line in lines]


def picture():
    """The file, as text."""
    parts, y = [], 10
    for name, about, rows in FLOORS:
        inner, top = [], y
        y += GAP + 2
        for row in rows:
            tall = max(height(one) for one in row)
            inner += [part for one in row for part in drawn(one, y, tall)]
            y += tall + 6
        y = max(y + 4, top + 40 + 16 * len(about))
        parts.append(box(8, top, WIDTH - 16, y - top, 'rx="6" fill="none" stroke="#888888"'))
        parts.append(text(18, top + 24, name, ' font-size="16" font-weight="bold"'))
        small = ' font-size="11" fill="#555555"'
        parts += [text(18, top + 44 + 16 * k, line, small) for k, line in enumerate(about)]
        parts += inner
        y += 10
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">'
    )
    return "\n".join([head, box(0, 0, WIDTH, y, 'fill="#ffffff"'), *parts, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture())
