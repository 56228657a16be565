// Live parts of a page by server-sent events: <div data-live="/events" aria-live="polite">. Each event's name is the id
// of an element inside, its data the HTML to show there, rendered by the server. The browser reconnects by itself.
"use strict";
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  const show = (event) => {
    const place = document.getElementById(event.type);
    if (!place || !part.contains(place) && part !== place) return;
    place.innerHTML = event.data;
    if (window.htmx) window.htmx.process(place);
  };
  for (const place of part.querySelectorAll("[id]")) source.addEventListener(place.id, show);
  if (part.id) source.addEventListener(part.id, show);
  // "go" sends the reader on, to an address of this host only.
  source.addEventListener("go", (event) => { if (/^\/(?![\/\\])/.test(event.data)) { source.close(); location.assign(event.data); } });
  source.addEventListener("end", () => source.close());
  window.addEventListener("pagehide", () => source.close());
}
