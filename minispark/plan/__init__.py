"""The plan: lineage graph, fusing, stages. Pure data on the driver."""
