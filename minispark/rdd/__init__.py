"""The class RDD: one linear chain of classes, a family of methods in each."""

from __future__ import annotations

from minispark.rdd.rdd import RDD

__all__ = ["RDD"]
