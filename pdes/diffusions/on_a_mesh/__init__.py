"""The Fokker-Planck equation and its hitting problems on any mesh of dolfinx, of simplices or quadrilaterals."""
