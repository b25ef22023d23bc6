// Shows times in the zone of the browser, and copies the link of the page. Without JavaScript, times are in UTC and the
// user selects the link.
(() => {
  'use strict';
  document.documentElement.classList.add('js'); // shows the copy button

  const format = new Intl.DateTimeFormat(document.documentElement.lang,
    { year: 'numeric', month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' });
  for (const each of document.querySelectorAll('time')) {
    each.title = each.textContent;
    each.textContent = format.format(new Date(each.dateTime));
  }

  // Browsers without the Clipboard API, and pages over http, copy the selection.
  const copy = async (link) => {
    try {
      await navigator.clipboard.writeText(link.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(link);
      return document.execCommand('copy');
    }
  };

  // The listener is on the document: scan.js replaces the content of the page.
  document.addEventListener('click', async (e) => {
    const button = e.target.closest('#copy');
    if (!button || !await copy(document.querySelector('.copy'))) return;
    document.getElementById('live').textContent = button.textContent = button.dataset.done;
  });
})();
