// The console works without this; with it, the overview keeps itself up to date.
(() => {
  "use strict";
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  const live = document.querySelector("[data-live]");
  if (!live || !window.EventSource) return;
  const pulse = document.getElementById("pulse"), told = document.getElementById("told");
  const headline = () => live.querySelector("h1")?.textContent ?? "";
  const clock = () => new Date().toLocaleTimeString("en-GB");
  const gone = document.getElementById("gone");
  // The server tells something every 5 seconds. Beyond this it does not.
  const SILENCE = 9000;
  let last = clock(), source = null, heard = Date.now(), broken = 0;
  // The verdict of a server that is away is none: it says so where a phone shows it first.
  const stale = (why) => {
    const old = `${why} What is below is old: it is of ${last}.`;
    if (gone.textContent === old) return;
    gone.textContent = old;
    gone.hidden = false;
    live.classList.add("old");
    pulse.textContent = "Not kept up to date.";
  };
  const fresh = () => {
    gone.hidden = true;
    gone.textContent = "";
    live.classList.remove("old");
  };

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
      broken = 0;
      fresh();
      pulse.textContent = "Kept up to date.";
      show(event.data);
    });
    source.addEventListener("fault", (event) => {
      heard = Date.now();
      stale(`The server cannot say how it is: ${event.data}.`);
    });
    // Streams end by themselves now and then, and the browser asks again in a moment; when that
    // fails as well nobody is there.
    source.addEventListener("error", () => {
      broken += 1;
      if (source.readyState === EventSource.CLOSED) {
        stale("This page is not kept up to date any more. Refresh it, and log in again if you are asked to.");
      } else if (broken > 1) {
        stale("The server does not answer.");
      }
    });
  };
  // A page that nobody sees needs no stream.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else if (!source) { watch(); }
  });
  if (!document.hidden) watch();
  // A connection that died without a word stays open for the browser.
  setInterval(() => {
    if (!source || Date.now() - heard < SILENCE) return;
    if (source.readyState !== EventSource.CLOSED) stale("The server does not answer.");
    if (source.readyState !== EventSource.OPEN || Date.now() - heard < 3 * SILENCE) return;
    source.close();
    watch();
  }, 1000);
})();
