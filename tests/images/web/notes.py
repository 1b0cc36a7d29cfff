"""A small web service that keeps notes in PostgreSQL: POST /notes adds one, GET /notes has all.

DATABASE_URL says where the database is.
"""

import json
import os
import platform
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

TABLE = "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)"


class Notes(BaseHTTPRequestHandler):
    """One request, with a connection to the database of its own."""

    def ask(self, query, *values):
        """Ask the database, and give the rows."""
        with psycopg2.connect(os.environ["DATABASE_URL"]) as connection:
            cursor = connection.cursor()
            cursor.execute(query, values)
            return cursor.fetchall()

    def answer(self, document, status=200):
        """Answer with JSON."""
        body = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            self.answer({"ok": True})
        elif self.path == "/machines":
            (database,) = self.ask("SELECT version()")[0]
            self.answer({"web": platform.machine(), "database": database})
        else:
            rows = self.ask("SELECT id, text, length(text), md5(text) FROM notes ORDER BY id")
            self.answer(
                [{"id": row[0], "text": row[1], "length": row[2], "md5": row[3]} for row in rows]
            )

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        text = json.loads(self.rfile.read(size))["text"]
        rows = self.ask("INSERT INTO notes (text) VALUES (%s) RETURNING id", text)
        self.answer({"id": rows[0][0]}, 201)

    def log_message(self, format, *values):
        print(format % values)


def main():
    """Make the table and serve."""
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection:
        connection.cursor().execute(TABLE)
    server = ThreadingHTTPServer(("", 8080), Notes)
    print("ready")
    server.serve_forever()


main()
