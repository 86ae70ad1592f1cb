"""The effective equations: forms in UFL, solved with PETSc."""

from typing import TYPE_CHECKING

from scaling_limits.particles.support.lazy_names import lazy_names

if TYPE_CHECKING:
    from scaling_limits.particles.errors import NotConverged, Unresolved

    from .comparison.compare import compare
    from .comparison.comparison import Comparison
    from .comparison.difference import Difference
    from .diffusions.coefficients import Coefficients
    from .diffusions.density import Density
    from .diffusions.density_evolution import DensityEvolution, Evolved
    from .diffusions.effective_fokker_planck import EffectiveFokkerPlanck
    from .diffusions.elements.modes import Modes
    from .diffusions.fokker_planck import FokkerPlanck
    from .diffusions.generator_forms import GeneratorForms
    from .diffusions.given_coefficients import GivenCoefficients
    from .diffusions.hitting.fields import ScalarField
    from .diffusions.hitting.fields import ScalarField as LatticeField
    from .diffusions.on_a_mesh.density import MeshDensity
    from .diffusions.on_a_mesh.density_evolution import MeshDensityEvolution
    from .diffusions.on_a_mesh.elliptic.current import MeshVectorField
    from .diffusions.on_a_mesh.elliptic.fields import MeshField
    from .diffusions.on_a_mesh.elliptic.first_passage import MeshFirstPassage, MeshQuasiStationary
    from .diffusions.on_a_mesh.elliptic.mesh_modes import MeshModes
    from .diffusions.on_a_mesh.elliptic.transition import MeshTransition
    from .diffusions.scharfetter_gummel import ScharfetterGummel
    from .diffusions.scharfetter_gummel import ScharfetterGummel as EdgeScheme
    from .diffusions.transitions.currents import VectorField
    from .diffusions.transitions.first_passage import FirstPassage
    from .diffusions.transitions.quasi_stationary import QuasiStationary
    from .diffusions.transitions.transition import Transition
    from .pinned_balls.equations import BilliardEquations
    from .pinned_balls.exact_limits import Ordering, constancy_gap, linear_wave, ordering_time
    from .pinned_balls.finite_size import FiniteSizeEquations, FiniteSizeSolution
    from .pinned_balls.forms import DeviationForm, EnergyForm, VarianceForm
    from .pinned_balls.picard import PicardIteration, picard_iteration
    from .pinned_balls.solution import BilliardSolution
    from .rotators.coupled import TransportForms
    from .rotators.currents.entropy import density_entropy_production
    from .rotators.currents.means import density_currents
    from .rotators.currents.response import density_conductivity
    from .rotators.density import ActionDensity
    from .rotators.density_evolution import EvolvedActions
    from .rotators.effective_plane import EffectivePlane
    from .rotators.finite_epsilon.law import EpsilonExpansion, RotatorMoments
    from .rotators.finite_epsilon.rotator_fokker_planck import RotatorFokkerPlanck
    from .rotators.tensor_trains.chain_law import ChainLaw
    from .rotators.tensor_trains.transport_tensor_train import TransportTensorTrain
    from .rotators.transport_fokker_planck import TransportFokkerPlanck
    from .time.chebyshev import RungeKuttaChebyshev
    from .time.resolvents import IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4, ResolventScheme
    from .time.rosenbrock import RODAS3, RODAS4, Rosenbrock
else:
    __getattr__, __dir__ = lazy_names(__name__, "scaling_limits.meshes.backend.fenicsx")

__all__ = [
    "IMPLICIT_EULER",
    "RESOLVENT2",
    "RESOLVENT3",
    "RESOLVENT4",
    "RODAS3",
    "RODAS4",
    "ActionDensity",
    "BilliardEquations",
    "BilliardSolution",
    "ChainLaw",
    "Coefficients",
    "Comparison",
    "Density",
    "DensityEvolution",
    "DeviationForm",
    "Difference",
    "EdgeScheme",
    "EffectiveFokkerPlanck",
    "EffectivePlane",
    "EnergyForm",
    "EpsilonExpansion",
    "Evolved",
    "EvolvedActions",
    "FiniteSizeEquations",
    "FiniteSizeSolution",
    "FirstPassage",
    "FokkerPlanck",
    "GeneratorForms",
    "GivenCoefficients",
    "LatticeField",
    "MeshDensity",
    "MeshDensityEvolution",
    "MeshField",
    "MeshFirstPassage",
    "MeshModes",
    "MeshQuasiStationary",
    "MeshTransition",
    "MeshVectorField",
    "Modes",
    "NotConverged",
    "Ordering",
    "PicardIteration",
    "QuasiStationary",
    "ResolventScheme",
    "Rosenbrock",
    "RotatorFokkerPlanck",
    "RotatorMoments",
    "RungeKuttaChebyshev",
    "ScalarField",
    "ScharfetterGummel",
    "Transition",
    "TransportFokkerPlanck",
    "TransportForms",
    "TransportTensorTrain",
    "Unresolved",
    "VarianceForm",
    "VectorField",
    "compare",
    "constancy_gap",
    "density_conductivity",
    "density_currents",
    "density_entropy_production",
    "linear_wave",
    "ordering_time",
    "picard_iteration",
]
