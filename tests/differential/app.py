"""The service behind nginx, for what nginx itself cannot say: app.py PORT"""

import http.server
import json
import sys

from offers import CONTENT, PICTURE


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/kinds":
            self.answer("application/json", json.dumps({"content": CONTENT}).encode())
        else:
            self.answer("image/png", PICTURE)

    def do_POST(self):
        arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer("application/json", json.dumps({"sum": arguments["a"] + arguments["b"]}).encode())

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
