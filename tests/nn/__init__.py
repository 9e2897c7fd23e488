"""Modules, layers, losses and what initialises them."""
