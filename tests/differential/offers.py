"""What all of the servers offer, as far as it is data."""

import base64

VERSION = "1.0.0"
NOTE = "Buy milk"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
CONTENT = [
    {"type": "audio", "data": "UklGRiQAAABXQVZF", "mimeType": "audio/wav"},
    {"type": "resource_link", "uri": "note://today", "name": "today", "mimeType": "text/plain"},
    {"type": "resource", "resource": {"uri": "note://today", "mimeType": "text/plain", "text": NOTE}},
]
