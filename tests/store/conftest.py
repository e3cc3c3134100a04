"""Every test of the store runs on tables in memory and on Amazon's DynamoDB Local."""

from tests.stores import on_both as endpoint

__all__ = ["endpoint"]
