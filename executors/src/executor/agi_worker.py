"""Serves a worker class of AGILAB: each task is a call of its `works(plan, metadata)`.

The platform mounts this file, and runs `handle` of it as the handler of a worker.
"""

import importlib
import json
import os
import signal
import sys
import threading
from types import SimpleNamespace

CHUNK = "__agi_worker_chunk__"


def unfold(value, own):
    """A chunk as the list of all workers' parts, in which only the own one is filled; all else as it is."""
    if not (isinstance(value, dict) and value.get(CHUNK) is True):
        return value
    total, index = value.get("total_workers"), value.get("worker_idx")
    if type(total) is not int or type(index) is not int or not 0 <= index < total:
        raise ValueError(f"a chunk for worker {index!r} of {total!r}: expected a number from 0 below their number")
    slots = [[] for _ in range(max(total, own + 1))]
    slots[own] = value.get("chunk", [])
    return slots


def begin(path, own):
    """The worker, ready to work."""
    module, name = path.rsplit(".", 1)
    worker = getattr(importlib.import_module(module), name)()
    worker._worker_id = worker.worker_id = own
    call_hook(worker, "start")
    return worker


def call_hook(worker, name):
    hook = getattr(worker, name, None)
    if callable(hook):
        hook()


def end_with(worker):
    """Calls the worker's `stop` when the process is asked to end, also while it waits for a task."""

    def end(signals):
        signals.read(1)
        code = 0
        try:
            call_hook(worker, "stop")
        except BaseException as error:
            print(f"stop() failed: {error!r}", file=sys.stderr, flush=True)
            code = 1
        # Whatever else is going on has no more say.
        os._exit(code)

    heard, said = os.pipe()
    os.set_blocking(said, False)
    signal.set_wakeup_fd(said)
    # Python hears of signals only where it handles them.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signals = os.fdopen(heard, "rb", buffering=0)
    threading.Thread(target=end, args=(signals,), daemon=True).start()


OWN = int(os.environ.get("EAI_WORKER_INDEX", "0"))
WORKER = begin(os.environ["EAI_AGI_WORKER"], OWN)
end_with(WORKER)


def handle(event, context):
    plan = unfold(event.get("plan", []), OWN)
    metadata = unfold(event.get("metadata", []), OWN)
    args = event.get("args")
    if args:
        WORKER.args = SimpleNamespace(**args) if isinstance(args, dict) else args
    result = WORKER.works(plan, metadata)
    # What a worker answers was never looked at before: what is no JSON is told in words.
    return json.loads(json.dumps(result, default=str))
