#!/usr/bin/env python3
"""Writes the JSON schema of 2024-11-05, which the suite has not, as 2024-11-05/schema.json into a directory.

  schema_2024.py DIRECTORY

It is taken from the crate rust-mcp-schema, whose types are made of the specification's schema: each has its definition in its documentation.
Objects are closed, so that nothing of a later revision passes, but where the specification leaves them open.
"""

import json
import pathlib
import re
import subprocess
import sys

REVISION = "2024-11-05"
CRATE = "rust-mcp-schema"
SOURCE = "src/generated_schema/2024_11_05/mcp_schema.rs"
# A type's documentation and its name.
TYPE = re.compile(r"((?:^ *///.*\n)+)(?: *#\[.*\n)*pub (?:struct|enum) (\w+)", re.MULTILINE)
SCHEMA = re.compile(r"```json\n(.*?)\n *```", re.DOTALL)
REFERENCE = re.compile(r'"#/definitions/(\w+)"')


def main():
    directory = pathlib.Path(sys.argv[1], REVISION)
    directory.mkdir(parents=True, exist_ok=True)
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": definitions(source())}
    (directory / "schema.json").write_text(json.dumps(schema))


def source():
    """The types of the revision, from where cargo keeps the crate."""
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == CRATE)
    return (pathlib.Path(manifest).parent / SOURCE).read_text()


def definitions(text):
    """The definitions by their names in the specification, which those of the types differ from in case."""
    found = {}
    for documentation, name in TYPE.findall(text):
        lines = (line.strip().removeprefix("///") for line in documentation.splitlines())
        if schema := SCHEMA.search("\n".join(lines)):
            found[name.lower()] = (name, json.loads(schema[1]))
    names = set(REFERENCE.findall(json.dumps([schema for _, schema in found.values()])))
    if missing := [name for name in names if name.lower() not in found]:
        sys.exit(f"{CRATE} has no definition of {', '.join(missing)}")
    spelled = {name.lower(): name for name in names}
    return {spelled.get(key, name): close(schema) for key, (name, schema) in found.items()}


def close(schema):
    """Closes an object, and those in it. What has a method is a message, and has more than the specification repeats there; the schema of a tool's
    arguments is any."""
    if isinstance(schema, list):
        return [close(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: value if name == "inputSchema" else close(value) for name, value in schema.items()}
    if isinstance(properties := schema.get("properties"), dict) and "method" not in properties:
        closed.setdefault("additionalProperties", False)
    return closed


if __name__ == "__main__":
    main()
