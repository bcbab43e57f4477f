"use strict";
// Puts what changed in its place. Sections that did not change keep what a reader opened in them.
(() => {
  const state = document.getElementById("state");
  const events = new EventSource("events" + location.search);
  events.onopen = () => { state.textContent = state.dataset.live; };
  events.onerror = () => { state.textContent = state.dataset.lost; };
  events.onmessage = (event) => {
    const fresh = new DOMParser().parseFromString(JSON.parse(event.data), "text/html");
    for (const part of fresh.querySelectorAll("[id]")) {
      const shown = document.getElementById(part.id);
      if (!shown || shown.dataset.was === part.innerHTML) continue;
      const open = [...shown.querySelectorAll("details")].map((d) => d.open);
      shown.className = part.className;
      shown.innerHTML = part.innerHTML;
      shown.dataset.was = part.innerHTML;
      shown.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
    }
  };
})();
