// The control page works without this file. With it, the parts marked data-live follow what happens: when the simulator
// says that something changed, the page asks for itself again and takes those parts from the answer.
"use strict";
(() => {
  let timer = 0;
  let busy = false;
  let again = false;

  const swap = (now, next) => {
    if (now.isEqualNode(next) || now.contains(document.activeElement)) return;
    const open = [...now.querySelectorAll("details")].map((d) => d.open);
    const grew = next.querySelectorAll("details").length - open.length;
    now.replaceWith(next);
    next.querySelectorAll("details").forEach((d, i) => {
      if (open[i - grew]) d.open = true; // new entries come first
    });
  };

  const screen = (next) => {
    const frame = document.getElementById("screen");
    const other = next.getElementById("screen");
    if (!frame || !other || frame.dataset.seq === other.dataset.seq) return;
    frame.dataset.seq = other.dataset.seq;
    // What the frame has drawn by itself, because a link in it was pressed, need not be drawn again.
    if (other.dataset.seen !== other.dataset.seq) frame.src = other.getAttribute("src") + "?n=" + other.dataset.seq;
  };

  const follow = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const other = next.getElementById(part.id);
          if (other) swap(part, document.adoptNode(other));
        }
        screen(next);
      }
    } catch {
      // The simulator ended, or is not back yet: the stream tries again by itself.
    }
    busy = false;
    if (again) {
      again = false;
      soon();
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(follow, 250);
  };

  const stream = new EventSource("/events");
  stream.addEventListener("changed", soon);
  stream.addEventListener("open", soon);
  addEventListener("pagehide", () => stream.close());
})();
