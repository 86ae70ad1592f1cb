"""Microscopic models and their samplers; needs no FEniCSx."""

from typing import TYPE_CHECKING

from .support.lazy_names import lazy_names

if TYPE_CHECKING:
    from .diffusions.effective_langevin import EffectiveLangevin
    from .diffusions.grid_data import PeriodicGrid, RegularGrid
    from .diffusions.langevin import Langevin
    from .diffusions.langevin_schemes import LEIMKUHLER_MATTHEWS, STOCHASTIC_HEUN, LangevinScheme
    from .diffusions.multiscale_potential import MultiscalePotential
    from .diffusions.passages.first_passages import FirstPassages
    from .diffusions.paths import Paths
    from .diffusions.potential_gallery import egg_carton, fully_coupled, laminate, mueller_brown, self_similar
    from .errors import AssumptionWarning, InvalidArgument, LongRun, NotConverged, RankEnded, Unresolved, Unstable
    from .pinned_balls.ensemble import Ensemble, load
    from .pinned_balls.model import PinnedBalls
    from .pinned_balls.white_noise import (
        WhiteNoiseTests,
        correlation_density,
        correlation_p_value,
        diagnostics,
        run_correlations,
    )
    from .rotators.assumptions import Assumption
    from .rotators.canonical.coefficients import canonical_equation
    from .rotators.canonical.equation import CanonicalEquation
    from .rotators.canonical.hamiltonian import CanonicalHamiltonian
    from .rotators.canonical_variables import canonical_variables
    from .rotators.coupled.coupled_ensemble import CoupledEnsemble
    from .rotators.coupled.coupled_rotators import CoupledRotators
    from .rotators.coupled.watched_pairs import WatchedPairs
    from .rotators.currents.conductivity import Conductivity
    from .rotators.currents.differences import conductivity_by_difference
    from .rotators.currents.entropy import EntropyProduction
    from .rotators.currents.green_kubo import conductivity_by_green_kubo
    from .rotators.currents.means import MeanCurrents
    from .rotators.currents.splitting import ActionCurrents, action_currents
    from .rotators.dissipations.dissipation import (
        DiagonalDissipation,
        DirectedDissipation,
        Dissipation,
        LinearDissipation,
    )
    from .rotators.dissipations.general import CustomDissipation, PolynomialDissipation
    from .rotators.energies.law import EnergyLaw
    from .rotators.energies.samples import EnergySamples, energy_samples
    from .rotators.ensemble import RotatorEnsemble
    from .rotators.lattice import RotatorLattice
    from .rotators.paths.epsilon_study import EpsilonStudy, epsilon_study
    from .rotators.paths.path_distance import PathDistance, path_distance
    from .rotators.paths.window_study import WindowStudy, window_study
    from .rotators.region import LatticeRegion
    from .rotators.stationary.sample import StationarySample
    from .rotators.stationary.time_average import TimeAverage
    from .rotators.transport_process import TransportProcess
    from .rotators.watching.watch import PathWatch
    from .rotators.watching.watched import WatchedRotators
    from .sampling.noise import CubatureNoise, GaussianNoise, Noise
    from .sampling.statistics.histogram import Histogram
    from .sampling.statistics.quantity import QuantityStatistics
    from .sampling.statistics.reduced_ensemble import ReducedEnsemble
    from .sampling.statistics.request import EnsembleStatistics
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "LEIMKUHLER_MATTHEWS",
    "STOCHASTIC_HEUN",
    "ActionCurrents",
    "Assumption",
    "AssumptionWarning",
    "CanonicalEquation",
    "CanonicalHamiltonian",
    "Conductivity",
    "CoupledEnsemble",
    "CoupledRotators",
    "CubatureNoise",
    "CustomDissipation",
    "DiagonalDissipation",
    "DirectedDissipation",
    "Dissipation",
    "EffectiveLangevin",
    "EnergyLaw",
    "EnergySamples",
    "Ensemble",
    "EnsembleStatistics",
    "EntropyProduction",
    "EpsilonStudy",
    "FirstPassages",
    "GaussianNoise",
    "Histogram",
    "InvalidArgument",
    "Langevin",
    "LangevinScheme",
    "LatticeRegion",
    "LinearDissipation",
    "LongRun",
    "MeanCurrents",
    "MultiscalePotential",
    "Noise",
    "NotConverged",
    "PathDistance",
    "PathWatch",
    "Paths",
    "PeriodicGrid",
    "PinnedBalls",
    "PolynomialDissipation",
    "QuantityStatistics",
    "RankEnded",
    "ReducedEnsemble",
    "RegularGrid",
    "RotatorEnsemble",
    "RotatorLattice",
    "StationarySample",
    "TimeAverage",
    "TransportProcess",
    "Unresolved",
    "Unstable",
    "WatchedPairs",
    "WatchedRotators",
    "WhiteNoiseTests",
    "WindowStudy",
    "action_currents",
    "canonical_equation",
    "canonical_variables",
    "conductivity_by_difference",
    "conductivity_by_green_kubo",
    "correlation_density",
    "correlation_p_value",
    "diagnostics",
    "egg_carton",
    "energy_samples",
    "epsilon_study",
    "fully_coupled",
    "laminate",
    "load",
    "mueller_brown",
    "path_distance",
    "run_correlations",
    "self_similar",
    "window_study",
]
