"""Check the events and results of a function by JSON Schema or by a type."""

from fcplug_validate.middleware import InvalidOutput, Validate

__all__ = ["InvalidOutput", "Validate"]
