"""Long jobs: a call is answered with 202 and the job's own URL, which says how it is."""

import itertools
import time

from questions import CONFIRMATION, NAME, text

JOBS = {}
NUMBERS = itertools.count(1)


class Job:
    """Takes `seconds` once all that it asks for is answered, and then answers with `status` and `body`."""

    def __init__(self, seconds, body, status=200, asks=()):
        self.seconds, self.body, self.status, self.asks = seconds, body, status, dict(asks)
        self.answers, self.began, self.is_cancelled = {}, time.monotonic(), False

    def look(self):
        """Status and body of what its URL says now."""
        if self.is_cancelled:
            return 410, {"message": "The job was cancelled."}
        if wanted := {key: asked for key, asked in self.asks.items() if key not in self.answers}:
            return 202, {"status": "input_required", "inputRequests": wanted}
        if time.monotonic() < self.began + self.seconds:
            return 202, {"message": "The job goes on."}
        body = self.body
        return self.status, body(self.answers) if callable(body) else body

    def answer(self, answers):
        self.answers.update({key: answer for key, answer in answers.items() if key in self.asks})
        self.began = time.monotonic()

    def cancel(self):
        self.is_cancelled |= self.look()[0] == 202


def start(job):
    """The answer to the call: status, body and the job's URL."""
    number = next(NUMBERS)
    JOBS[f"/jobs/{number}"] = job
    return 202, {}, f"/jobs/{number}"


def said(value):
    return {"content": [text(value)]}


def call(path, arguments):
    """Status, body and location that answer the call of a tool."""
    if path == "/start/compute":
        label = arguments.get("label", "")
        return start(Job(arguments["seconds"], said(f"Computed {label}.")))
    if path == "/start/failure":
        return start(Job(1, "The job has failed, as it always does.", status=500))
    if path == "/start/error":
        return start(Job(0.2, {"error": {"code": -32603, "message": "The job broke down."}}))
    if path == "/start/deletion":
        return start(Job(0, said(f"{arguments['filename']} is gone."), asks={"confirm": CONFIRMATION}))
    if path == "/start/form":
        return start(Job(0, said("Thank you."), asks={"name": NAME, "consent": CONFIRMATION}))
    answers = arguments.get("_meta", {}).get("inputResponses", {})
    if "user_name" not in answers:
        return 200, {"resultType": "input_required", "inputRequests": {"user_name": NAME}}, None
    return start(Job(0.2, said(f"Hello, {answers['user_name']['content']['name']}!")))


def look(path, method, sent):
    """Status and body that answer a request to a job."""
    job = JOBS.get(path)
    if job is None:
        return 404, {"message": "There is no such job."}
    if method == "DELETE":
        job.cancel()
    if method == "POST":
        job.answer(sent["inputResponses"])
    return job.look()
