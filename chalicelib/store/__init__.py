"""The store: one DynamoDB table, and what the portal keeps in it."""
