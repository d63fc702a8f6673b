"""A handler and a task of Celery that do nothing: what is measured is all around them."""

import os


def handle(event, context):
    return None


if "BENCH_REDIS" in os.environ:
    from celery import Celery

    server = "redis://127.0.0.1:" + os.environ["BENCH_REDIS"]
    app = Celery("noop", broker=f"{server}/0", backend=f"{server}/1")

    @app.task
    def noop():
        return None
