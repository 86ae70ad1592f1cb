"""Statistics of ensembles that are added up while the runs are made, and of which no run is kept."""
