"""The watchers of a study: each file holds one `Sink` of the engine. None can slow, stop or change the study.

console.py             what people see, and the progress file that `distnlc status` reads
mirror.py              MLflow
session.py             the study's list of sessions
checkpoint_cleaner.py  deletes the checkpoints of units that are done
ray_metrics.py         gauges of the Ray cluster
"""
