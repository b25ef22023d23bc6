// Copies the link of the page. Without JavaScript, the user selects the link.
(() => {
  'use strict';
  document.documentElement.classList.add('js'); // shows the button
  const button = document.getElementById('copy');
  const link = document.querySelector('.copy');

  // Browsers without the Clipboard API, and pages over http, copy the selection.
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(link);
      return document.execCommand('copy');
    }
  };

  button.addEventListener('click', async () => {
    if (await copy()) document.getElementById('live').textContent = button.textContent = button.dataset.done;
  });
})();
