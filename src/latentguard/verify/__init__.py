"""Planted against measured."""
