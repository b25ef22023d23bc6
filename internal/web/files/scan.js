// Waits for the phone while this page is open: it polls the state of the ticket, replaces the content of the page, and
// announces the change to screen readers. Without JavaScript the page reloads at intervals.
(() => {
  'use strict';
  const live = document.getElementById('live');
  const pause = (ms) => new Promise((go) => setTimeout(go, ms));
  const visible = () => document.visibilityState === 'visible' ? Promise.resolve() :
    new Promise((go) => document.addEventListener('visibilitychange', function seen() {
      if (document.visibilityState !== 'visible') return;
      document.removeEventListener('visibilitychange', seen);
      go();
    }));
  const main = () => document.querySelector('main');

  // Replaces the content of the page by the content of a page from the server, and keeps the keyboard focus in it.
  const show = (html) => {
    const next = new DOMParser().parseFromString(html, 'text/html');
    const fresh = next.querySelector('main');
    if (!fresh || !('state' in fresh.dataset) && !fresh.querySelector('form')) return false;
    const inside = main().contains(document.activeElement);
    const typed = document.getElementById('code');
    const field = fresh.querySelector('#code');
    if (typed && field) field.value = typed.value;
    const typing = typed && document.activeElement === typed;
    main().replaceWith(document.adoptNode(fresh));
    document.title = next.title;
    const heading = main().querySelector('h1');
    live.textContent = [heading, ...main().querySelectorAll('h1 ~ p')].map((each) => each.textContent).join(' ');
    if (typing && field) {
      field.focus();
    } else if (inside) {
      heading.tabIndex = -1;
      heading.focus();
    }
    return true;
  };

  const load = async (address, options) => {
    const answer = await fetch(address, { credentials: 'same-origin', headers: { Accept: 'text/html' }, ...options });
    if (!answer.ok) throw new Error('not now');
    return show(await answer.text());
  };

  const watch = async () => {
    let wait = 1000;
    for (;;) {
      const { state, self, poll, renew } = main().dataset;
      if (!poll) return;
      try {
        if (renew) {
          await visible();
          if (!await load(renew, { method: 'POST', body: new URLSearchParams({ auto: '1' }) })) return location.replace(self);
          wait = 1000;
          continue;
        }
        if (!['open', 'opened', 'scanned', 'waiting', 'answered'].includes(state)) return;
        const asked = Date.now();
        const answer = await fetch(poll + '&seen=' + state, { credentials: 'same-origin' });
        if (!answer.ok) throw new Error('not now');
        const now = (await answer.json()).state;
        // These states end the wait: the page at self signs the browser in, or shows why the code is invalid.
        if (['approved', 'redeemed', 'completed', 'gone'].includes(now)) return location.replace(self);
        if (now !== state && !await load(self)) return location.replace(self);
        wait = 1000;
        if (now === state && Date.now() - asked < 1000) await pause(1000);
      } catch {
        await pause(wait);
        wait = Math.min(wait * 2, 30000);
      }
    }
  };

  addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
  watch();

  // On the phone: the desktop shows that its code was scanned.
  const { opened, ticket } = main().dataset;
  if (opened) fetch(opened, { method: 'POST', credentials: 'same-origin', body: new URLSearchParams({ m: ticket }) });
})();
