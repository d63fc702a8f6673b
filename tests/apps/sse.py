"""FastAPI: a page that shows the events of a stream as they come, one for each click that it makes itself."""

import asyncio
import os

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse

app = FastAPI()
clicks = asyncio.Queue()

PAGE = """<!doctype html><title>events</title><ol id="seen"></ol><script>
const source = new EventSource("/events");
source.onmessage = (event) => {
  const item = document.createElement("li");
  item.textContent = event.data;
  seen.append(item);
  if (event.data === "event 3") source.close();
  // The next one is asked for once this one was seen: a stream that is held back would stand still.
  else fetch("/click", {method: "POST"});
};
</script>"""


@app.get("/", response_class=HTMLResponse)
async def page():
    return PAGE


@app.post("/click")
async def click():
    await clicks.put(None)
    return {"by": os.environ["EAI_JOB_ID"]}


@app.get("/events")
async def events():
    async def told():
        for number in range(1, 4):
            yield f"data: event {number}\n\n"
            await clicks.get()

    return StreamingResponse(told(), media_type="text/event-stream")
