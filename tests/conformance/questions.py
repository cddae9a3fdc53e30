"""What the fixture's tools ask for before they answer: a list of rounds for each path, each with what it asks for by key."""


def text(value):
    return {"type": "text", "text": value}


def elicitation(message, required=(), **properties):
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(prompt):
    messages = [{"role": "user", "content": text(prompt)}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": 100}}


ROOTS = {"method": "roots/list", "params": {}}
STRING = {"type": "string"}
NAME = elicitation("What is your name?", ["name"], name=STRING)
CONFIRMATION = elicitation("Please confirm", ["ok"], ok={"type": "boolean"})

OPTIONS = ["option1", "option2", "option3"]
VALUES = ["value1", "value2", "value3"]
CHOICES = [{"const": value, "title": f"{value} as a title"} for value in VALUES]

ROUNDS = {
    "/ask/name": [{"user_name": NAME}],
    "/ask/model": [{"capital_question": sampling("What is the capital of France?")}],
    "/ask/roots": [{"client_roots": ROOTS}],
    "/ask/confirmation": [{"confirm": CONFIRMATION}],
    "/ask/all": [{"user_name": NAME, "greeting": sampling("Generate a greeting"), "client_roots": ROOTS}],
    "/ask/twice": [{"step1": NAME}, {"step2": elicitation("What is your favorite color?", ["color"], color=STRING)}],
    "/ask/context": [{"user_context": elicitation("What context should the prompt use?", ["context"], context=STRING)}],
    "/ask/account": [
        {"account": elicitation("Your account?", ["username", "email"], username=STRING, email=STRING)},
    ],
    "/ask/defaults": [
        {
            "defaults": elicitation(
                "Please review what is known of you.",
                name={"type": "string", "default": "John Doe"},
                age={"type": "integer", "default": 30},
                score={"type": "number", "default": 95.5},
                status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                verified={"type": "boolean", "default": True},
            )
        }
    ],
    "/ask/enums": [
        {
            "enums": elicitation(
                "Please choose.",
                untitledSingle={"type": "string", "enum": OPTIONS},
                titledSingle={"type": "string", "oneOf": CHOICES},
                legacyEnum={"type": "string", "enum": OPTIONS, "enumNames": ["One", "Two", "Three"]},
                untitledMulti={"type": "array", "items": {"type": "string", "enum": OPTIONS}},
                titledMulti={"type": "array", "items": {"anyOf": CHOICES}},
            )
        }
    ],
}

# Paths whose questions come with a state.
WITH_STATE = {"/ask/confirmation", "/ask/all", "/ask/twice"}


def ask(path, arguments, capabilities):
    """The body that answers a call: the next question, or the result."""
    meta = arguments.get("_meta", {})
    answers, state = meta.get("inputResponses", {}), meta.get("requestState", "round 0")
    if path == "/ask/possible":
        # Only what the client has said that it can answer.
        rounds = [{"name": NAME} if "elicitation.form" in capabilities else {"model": sampling("What is a name?")}]
    elif path == "/ask/prompt":
        rounds = [{"answer": sampling(arguments["prompt"])}]
    else:
        rounds = ROUNDS[path]
    number = int(state.removeprefix("round "))
    if wanted := [key for key in rounds[number] if key not in answers]:
        question = {"resultType": "input_required", "inputRequests": {key: rounds[number][key] for key in wanted}}
        return {**question, **({"requestState": f"round {number}"} if path in WITH_STATE else {})}
    if number + 1 < len(rounds):
        return {"resultType": "input_required", "inputRequests": rounds[number + 1], "requestState": f"round {number + 1}"}
    said = f"state-ok: {answers}" if path in WITH_STATE else f"Answered: {answers}"
    if path == "/ask/context":
        return {"messages": [{"role": "user", "content": text(said)}]}
    return {"content": [text(said)]}
