"""Laws of the actions of long chains: tensor trains, found by an alternating linear scheme; without FEniCSx."""
