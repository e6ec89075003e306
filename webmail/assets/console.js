// The console works without this; with it, the overview keeps itself up to date.
(() => {
  "use strict";
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  const live = document.querySelector("[data-live]");
  if (!live || !window.EventSource) return;
  const pulse = document.getElementById("pulse"), told = document.getElementById("told");
  const headline = () => live.querySelector("h1")?.textContent ?? "";
  const clock = () => new Date().toLocaleTimeString("en-GB");
  let last = clock(), source = null, heard = Date.now();

  // What somebody is reading with the keyboard, or marks, stays as it is.
  const busy = (part) => {
    const selection = getSelection();
    return part.contains(document.activeElement) || !selection.isCollapsed && part.contains(selection.anchorNode);
  };
  const show = (html) => {
    const next = document.createElement("template"), before = headline();
    next.innerHTML = html;
    for (const part of next.content.querySelectorAll("[data-part]")) {
      const old = live.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!old || old.outerHTML === part.outerHTML) continue;
      // The verdict is never left as it was: it must not lie.
      if (part.dataset.part !== "verdict" && busy(old)) { pulse.textContent = "What you are reading is left as it was; the rest is kept up to date."; continue; }
      for (const open of old.querySelectorAll("details[open]")) part.querySelector("details")?.setAttribute("open", open.getAttribute("open"));
      old.replaceWith(part);
    }
    if (headline() !== before) told.textContent = headline();
  };
  const watch = () => {
    source = new EventSource(live.dataset.live);
    heard = Date.now();
    source.addEventListener("live", (event) => {
      last = clock();
      heard = Date.now();
      pulse.textContent = "Kept up to date.";
      pulse.classList.remove("stale");
      show(event.data);
    });
    source.addEventListener("fault", (event) => {
      pulse.textContent = `What is here is of ${last}: ${event.data}`;
      pulse.classList.add("stale");
    });
    // Streams end by themselves now and then; the browser asks again in a moment.
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      pulse.textContent = `Not kept up to date any more: what is here is of ${last}. Refresh, and log in again if you are asked to.`;
      pulse.classList.add("stale");
    });
  };
  // A page that nobody sees needs no stream.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else if (!source) { watch(); }
  });
  if (!document.hidden) watch();
  // The server went away, and has not come back.
  setInterval(() => {
    // A connection that died without a word stays open for the browser.
    if (source && Date.now() - heard > 30000) {
      pulse.textContent = `The server does not answer: what is here is of ${last}.`;
      pulse.classList.add("stale");
      source.close();
      watch();
    }
    if (source && source.readyState === EventSource.CONNECTING && !pulse.classList.contains("stale")) {
      pulse.dataset.tries = String(Number(pulse.dataset.tries ?? 0) + 1);
      if (Number(pulse.dataset.tries) > 2) {
        pulse.textContent = `The server does not answer: what is here is of ${last}.`;
        pulse.classList.add("stale");
      }
    } else { pulse.dataset.tries = "0"; }
  }, 5000);
})();
