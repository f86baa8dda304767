"""Launchers: three ways to start the same executor."""
