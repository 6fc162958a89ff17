"""Validates Kubernetes manifests.

Reads manifests in YAML from the standard input, and validates them against the schemas of the
Kubernetes releases in the arguments. A field that a schema does not name is a fault. Prints the
faults, and the manifests, as JSON.
"""

import json
import sys

import kubernetes_validate
import yaml

manifests = list(yaml.safe_load_all(sys.stdin))
faults = []
for version in sys.argv[1:]:
    for manifest in manifests:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as fault:
            name = f"{manifest['kind']} {manifest['metadata']['name']}"
            faults.append(f"{version}: {name}: {'.'.join(map(str, fault.path))}: {fault.message}")
json.dump({"faults": faults, "manifests": manifests}, sys.stdout)
