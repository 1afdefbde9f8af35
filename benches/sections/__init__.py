"""The sections of the benchmark, in the order in which they run.

Each module has `run(bench)`, which yields `report.Section`s. What a section needs and the machine has not, it
raises as `workbench.Missing`.
"""

NAMES = ("refresh", "incremental", "query", "reader", "separation", "transactions", "cold", "latency", "memory", "profile")
