"""Kernels: what records pass through; plain functions and classes, testable alone."""
