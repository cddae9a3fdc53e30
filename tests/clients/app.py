"""A FastAPI application as its author would write it: it knows nothing of MCP."""

import asyncio
import json
import urllib.request
from collections import defaultdict
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

app = FastAPI()

NAMES = {"en": "hex bolt", "de": "Sechskantschraube"}


class Item(BaseModel):
    id: int
    name: str
    price: float


class Reservation(BaseModel):
    item: int
    quantity: Annotated[int, Field(ge=1)]
    note: str = ""


@app.get("/items/{id}")
async def item(id: int, lang: Literal["en", "de"]) -> Item:
    if id > 100:
        raise HTTPException(404, f"no item {id}")
    return Item(id=id, name=NAMES[lang], price=0.25)


@app.post("/reservations", status_code=201)
async def reserve(reservation: Reservation):
    return {"reservation": f"R-{reservation.item}", **reservation.model_dump()}


@app.get("/shelves/{shelf}/items")
async def search(shelf: str, q: str):
    return {"shelf": shelf, "q": q}


class Meeting:
    """Answers nobody before everybody is there, so it is only held by calls that run at the same time."""

    def __init__(self):
        self.guests = 0
        self.complete = asyncio.Event()


MEETINGS = defaultdict(Meeting)


@app.get("/meetings/{name}")
async def meet(name: str, size: int):
    meeting = MEETINGS[name]
    meeting.guests += 1
    seat = meeting.guests
    if seat == size:
        meeting.complete.set()
    await meeting.complete.wait()
    return {"seat": seat}


# Neither is in the description.
@app.post("/inspection", include_in_schema=False)
async def inspect():
    async def count():
        for shelf in (1, 2, 3):
            yield f'event: progress\ndata: {{"progress": {shelf}, "total": 3, "message": "shelf {shelf}"}}\n\n'
            await asyncio.sleep(0.02)
        yield 'event: result\ndata: {"items": 42}\n\n'

    return StreamingResponse(count(), media_type="text/event-stream")


@app.post("/announcement", include_in_schema=False)
def announce(request: Request):
    body, headers = b'{"method": "notifications/tools/list_changed"}', {"Content-Type": "application/json"}
    publish = urllib.request.Request(request.headers["x-publish"], body, headers)
    with urllib.request.urlopen(publish) as answer:
        return json.load(answer)


# In place of APIs that only their descriptions are here of.
echo = FastAPI(openapi_url=None)
app.mount("/echo", echo)


@echo.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def answer(path: str, request: Request):
    body = await request.body()
    return {
        "line": f"{request.method} /{path}?{request.url.query}",
        "version": request.headers.get("notion-version"),
        "authorization": request.headers.get("authorization"),
        "body": await request.json() if body else None,
    }
