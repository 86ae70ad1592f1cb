"""Averages over tori: correctors and effective tensors. None of them yet."""
