"""The Fokker-Planck equation of the actions of rotators."""
