"""The closed-form linear link."""
