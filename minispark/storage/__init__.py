"""Storage on one node: frames, files, memory budget, persisted blocks."""
