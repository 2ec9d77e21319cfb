"""Stochastic weather: generators of daily forcing, and criteria that judge what they make."""
