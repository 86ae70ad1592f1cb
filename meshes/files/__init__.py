"""Functions on meshes, time by time: in files of ParaView, as grids of pyvista, and whole on one rank."""
