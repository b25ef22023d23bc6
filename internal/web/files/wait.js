// Continues when an administrator has decided about the user of this page. It reloads nothing while the user waits, so
// that no typed text is lost.
(() => {
  'use strict';
  const wait = document.getElementById('wait');
  const pause = (ms) => new Promise((go) => setTimeout(go, ms));
  const watch = async () => {
    for (;;) {
      await pause(5000);
      if (document.visibilityState !== 'visible') continue;
      try {
        const answer = await fetch(wait.dataset.state, { credentials: 'same-origin' });
        if (answer.ok && (await answer.json()).state !== 'waiting') return location.replace(wait.dataset.go);
      } catch {
        // The connection is lost: the next round tries again.
      }
    }
  };
  watch();
})();
