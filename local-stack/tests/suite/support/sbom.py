"""Validates a bill of materials.

Reads a bill of materials from the standard input, and validates it against the schema of
CycloneDX 1.5. A field that the schema does not name is a fault. Prints the first fault, or null,
as JSON.
"""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
json.dump(fault and str(fault), sys.stdout)
