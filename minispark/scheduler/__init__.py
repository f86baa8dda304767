"""The scheduler: events in, commands out. No I/O, clock, randomness or user code."""
