"""Discrete spaces on tori: elements, trigonometric and Chebyshev polynomials, and the choice among them."""
