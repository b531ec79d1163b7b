"""Gaussian diffusion: schedules, the process, its losses and its samplers.

Networks are any callables; the process and its tables are float64.
"""
