"""`emotrace schema`: the JSON Schema of a result."""

from __future__ import annotations

import json

from emotrace.cli.console import write_stdout


def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of result files."""
    from emotrace.results import json_schema

    write_stdout(json.dumps(json_schema(), indent=1) + "\n")
