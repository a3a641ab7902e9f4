"""Curves while training, in the tools that people watch: TensorBoard and MLflow. metrics.jsonl stays what counts."""

from rcekd.training.sinks.base import Open, Sink
from rcekd.training.sinks.choice import SINKS, parse_sink
from rcekd.training.sinks.watched import watched

__all__ = ["SINKS", "Open", "Sink", "parse_sink", "watched"]
