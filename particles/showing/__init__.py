"""How results show themselves: texts and tables, pictures and animations with matplotlib, datasets of xarray."""
