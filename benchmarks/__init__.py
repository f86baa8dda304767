"""The benchmarks: one set of workloads, several engines, answers compared.

`workloads/` holds what is timed, `ideal/` the same by hand without an engine,
`engines` and `child` how an engine is run, `runner` who runs when, `report` the
tables. Run as `python -m benchmarks`; see README.md.
"""
