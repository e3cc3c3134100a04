"""Structured logs and metrics (Powertools): ids and outcomes, never a form body, contact, name or
token.
"""

import traceback
from functools import cache

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit


@cache
def log() -> Logger:
    """Give the process's logger.

    No line names its place in the code (Powertools' `location`): its message says as much, and
    CloudWatch charges by the byte.
    """
    return Logger(service="consent-portal", location=None)


@cache
def metrics() -> Metrics:
    """Give the process's metrics."""
    return Metrics(namespace="ConsentPortal", service="consent-portal")


def count(name: str, amount: int = 1) -> None:
    """Count something that happened."""
    metrics().add_metric(name=name, unit=MetricUnit.Count, value=amount)


def flush() -> None:
    """Write the metrics of this invocation, if there are any."""
    if metrics().metric_set:
        metrics().flush_metrics()


def fault(error: BaseException) -> None:
    """Record an error nobody expected: its kind and place, not its message, which may hold what
    somebody typed.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-5:]]
    log().error("unexpected", error=type(error).__name__, place=place)
    count("UnexpectedError")
