"""Validates the bill of materials on the standard input against the schema of CycloneDX 1.5, in which nothing may be that
it does not name. Prints the fault, or null, as JSON."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
json.dump(fault and str(fault), sys.stdout)
