// Shows times in the zone of the browser, and copies links and snippets. Without JavaScript, times are in the zone of
// the operator, and the user selects what to copy.
(() => {
  'use strict';
  document.documentElement.classList.add('js'); // shows the copy buttons

  const format = new Intl.DateTimeFormat(document.documentElement.lang,
    { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  for (const each of document.querySelectorAll('time')) {
    each.title = each.textContent;
    each.textContent = format.format(new Date(each.dateTime));
  }

  // A chart that does not fit shows its newest values.
  for (const each of document.querySelectorAll('.plot')) each.scrollLeft = each.scrollWidth;

  // Browsers without the Clipboard API, and pages over http, copy the selection.
  const copy = async (source) => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(source);
      return document.execCommand('copy');
    }
  };

  // The listener is on the document: scan.js replaces the content of the page.
  document.addEventListener('click', async (e) => {
    const button = e.target.closest('#copy, .do-copy');
    if (!button) return;
    const source = button.dataset.copy ? document.getElementById(button.dataset.copy) : document.querySelector('.copy');
    if (!await copy(source)) return;
    document.getElementById('live').textContent = button.textContent = button.dataset.done;
  });
})();
