// The control page works without this script. With it, the parts marked data-live update automatically: when the simulator
// reports a change, the page fetches itself and replaces those parts.
"use strict";
(() => {
  let timer = 0;
  let busy = false;
  let pending = false;

  const replacePart = (now, next) => {
    if (now.isEqualNode(next) || now.contains(document.activeElement)) return;
    const open = [...now.querySelectorAll("details")].map((d) => d.open);
    const added = next.querySelectorAll("details").length - open.length;
    now.replaceWith(next);
    next.querySelectorAll("details").forEach((d, i) => {
      if (open[i - added]) d.open = true; // new entries are at the top
    });
  };

  const updateScreen = (next) => {
    const frame = document.getElementById("screen");
    const other = next.getElementById("screen");
    if (!frame || !other || frame.dataset.version === other.dataset.version) return;
    frame.dataset.version = other.dataset.version;
    // When a link in the frame was pressed, the frame has loaded this version already.
    if (other.dataset.drawn !== other.dataset.version) frame.src = other.getAttribute("src") + "?n=" + other.dataset.version;
  };

  // A page that continues within seconds does so here too. The address and the time name one visit: when the page is
  // shown again, the phone does not follow twice.
  let followed = "";
  let following = 0;
  const followRefresh = () => {
    const form = document.querySelector("form[data-refresh]");
    const version = form ? document.getElementById("screen").dataset.version : "";
    if (version === followed) return;
    followed = version;
    clearTimeout(following);
    if (!form) return;
    following = setTimeout(() => {
      fetch(form.action, { method: "POST", body: new URLSearchParams({ do: "refresh" }) }).catch(() => {});
    }, Number(form.dataset.refresh));
  };

  const update = async () => {
    if (busy) {
      pending = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const other = next.getElementById(part.id);
          if (other) replacePart(part, document.adoptNode(other));
        }
        updateScreen(next);
        followRefresh();
      }
    } catch {
      // The simulator has stopped. The event stream reconnects automatically.
    }
    busy = false;
    if (pending) {
      pending = false;
      schedule();
    }
  };

  const schedule = () => {
    clearTimeout(timer);
    timer = setTimeout(update, 250);
  };

  followRefresh();
  const stream = new EventSource("/events");
  stream.addEventListener("changed", schedule);
  stream.addEventListener("open", schedule);
  addEventListener("pagehide", () => stream.close());
})();
