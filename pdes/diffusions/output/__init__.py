"""What becomes of densities and fields outside: files of ParaView, datasets of xarray, grids of pyvista, archives."""
