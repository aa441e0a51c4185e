"""A configuration with what ``fcplug build`` stores beside it."""

from pathlib import Path

from fcplug.config import stored, yaml_strict


def store(configuration: Path, text: str | None = None) -> Path:
    """Write what a build stores of a text, else of what the file has; return where."""
    text = configuration.read_text("utf-8") if text is None else text
    values, locations, findings = yaml_strict.read(text, lambda value: (value, []))
    assert findings == []
    beside = configuration.with_name(configuration.name + stored.SUFFIX)
    beside.write_bytes(stored.encoded(text, values, locations))
    return beside
