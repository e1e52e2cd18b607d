"""The yardstick: a Flask application with one view that does nothing."""

from flask import Flask


def create_app() -> Flask:
    """Build it."""
    app = Flask("empty")

    @app.get("/")
    def nothing() -> str:
        return "ok"

    return app
