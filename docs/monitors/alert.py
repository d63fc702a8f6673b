"""Says on a line of its own what failed in an account: jobs, services that are given up, and tasks.

    alert.py NATS-URL CREDS-FILE CONSUMER

It reads the account's events in order, and goes on where it was when it is started again.
"""

import asyncio
import sys

import nats
import nats.errors
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

STREAM, API = "EAI_EVENTS", "eai.history"
MEDIA = {"content-type": "application/cloudevents+json"}


def alert(event):
    """What is to be said of an event, if anything is."""
    kind, data = event.get_type(), event.get_data()
    if kind == "eai.job.ended.v1" and data["state"] == "FAILED":
        return f"failed: {data['reason']} (exit code {data.get('exitCode', '-')})"
    if kind == "eai.service.gave_up.v1":
        return f"given up after {data['failures']} failures: {data['reason']}"
    if kind == "eai.service.dead_lettered.v1":
        return f"{len(data['tasks'])} tasks failed for good"
    return None


async def main(url, creds, consumer):
    client = await nats.connect(url, user_credentials=creds, max_reconnect_attempts=-1)
    events = await client.jetstream(prefix=API).pull_subscribe_bind(consumer, STREAM)
    last = 0
    while True:
        try:
            [message] = await events.fetch(1, timeout=30)
        except nats.errors.ConnectionClosedError:
            raise
        except nats.errors.Error:
            # Nothing happened, or the server is away: the client comes back to it by itself.
            await asyncio.sleep(0.2)
            continue
        # After a break one may come again, and never one out of order.
        sequence = message.metadata.sequence.stream
        if sequence > last:
            event = from_http_event(HTTPMessage(MEDIA, message.data))
            text = alert(event)
            if text:
                print(event.get_time().isoformat(), event.get_subject(), text, flush=True)
            last = sequence
        await message.ack()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
