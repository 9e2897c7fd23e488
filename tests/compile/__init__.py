"""Compiled steps are never silently wrong: each computes what the plain function does, or says why it cannot."""
