"""Evaluation: scores of simulated discharge, comparisons of runs; draws nothing."""
