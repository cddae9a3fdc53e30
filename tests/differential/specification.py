"""What nginx answers, against the JSON schemas of the specification (`scripts/conformance --schemas` writes them)."""

import functools
import json
import pathlib


class Specification:
    def __init__(self, directory, jsonschema):
        self.directory, self.jsonschema = pathlib.Path(directory), jsonschema
        self.judged = 0

    @functools.cache
    def definitions(self, revision):
        """The schema of a revision, and the name of the member that has its definitions."""
        schema = json.loads((self.directory / revision / "schema.json").read_text())
        return schema, "$defs" if "$defs" in schema else "definitions"

    @functools.cache
    def validator(self, revision, name):
        schema, member = self.definitions(revision)
        if name not in schema[member]:
            return None
        kind = self.jsonschema.validators.validator_for(schema)
        return kind({**schema, "allOf": [{"$ref": f"#/{member}/{name}"}]})

    @functools.cache
    def result_of(self, revision, method):
        """The definition of a method's result, which is called as that of its request is: CallToolRequest, CallToolResult."""
        schema, member = self.definitions(revision)
        for name, definition in schema[member].items():
            said = definition.get("properties", {}).get("method", {}).get("const")
            if said == method and name.endswith("Request"):
                return f"{name.removesuffix('Request')}Result"
        return "EmptyResult"

    def defects(self, revision, method, message):
        """What is wrong with an answer to a request."""
        if not isinstance(message, dict) or message.get("id") is None:
            return
        if "error" in message:
            wanted = [("JSONRPCError", message), ("JSONRPCErrorResponse", message)]
        else:
            wanted = [("JSONRPCResponse", message), ("JSONRPCResultResponse", message)]
            wanted.append((self.result_of(revision, method), message.get("result")))
        for name, value in wanted:
            if validator := self.validator(revision, name):
                self.judged += 1
                for error in validator.iter_errors(value):
                    yield f"no {name}: {error.json_path}: {error.message}"
