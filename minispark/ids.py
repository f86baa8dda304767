"""Identifiers: one `NewType` each, so that a map id never passes for a reduce id."""

from __future__ import annotations

from typing import NewType

RddId = NewType("RddId", int)
ShuffleId = NewType("ShuffleId", int)
StageId = NewType("StageId", int)
JobId = NewType("JobId", int)
#: Unique per attempt of a task within one driver, never reused.
TaskId = NewType("TaskId", int)
AccumulatorId = NewType("AccumulatorId", int)
BroadcastId = NewType("BroadcastId", int)
#: Names one executor process; a replacement gets a new id.
ExecutorId = NewType("ExecutorId", str)
#: Names one machine (or one raylet of a test cluster): what shares files.
NodeId = NewType("NodeId", str)
