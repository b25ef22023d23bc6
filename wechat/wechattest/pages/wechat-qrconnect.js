// The polling of WeChat's QR page. 408: again after 2 s. 404 (scanned): again immediately. 403 (cancelled): keep polling.
// 402 and 500: reload the page. 405: redirect to the app with the code. After a network error: again after 5 s.
(function () {
  "use strict";
  var box = document.getElementById("wx_login");
  var tips = { 408: "wx_default_tip", 404: "wx_after_scan", 403: "wx_after_cancel" };

  function show(status) {
    Object.keys(tips).forEach(function (k) {
      document.getElementById(tips[k]).hidden = Number(k) !== status;
    });
  }

  // String concatenation, as in WeChat's script: in an address with "#/route" the code follows the fragment.
  function go(code) {
    var url = box.dataset.target;
    if (!/^https?:\/\//i.test(url)) { return; }
    url += (url.indexOf("?") > -1 ? "&" : "?") + "code=" + code + "&state=" + box.dataset.state;
    var self = box.dataset.selfRedirect;
    if (window === window.top || self === "true") { window.location = url; return; }
    if (self === "false") { window.top.location = url; return; }
    var same = false; // default: this frame if the page around it has the same origin, else the top window
    try { same = Boolean(window.parent.location.host); } catch (e) { same = false; }
    (same ? window : window.top).location = url;
  }

  function poll(last) {
    fetch(box.dataset.poll + (last ? "&last=" + last : "") + "&_=" + Date.now(), { cache: "no-store" })
      .then(function (res) {
        if (!res.ok) { throw new Error(String(res.status)); }
        return res.text();
      })
      .then(function (text) {
        var m = /wx_errcode=(\d+);window\.wx_code='([A-Za-z0-9]*)'/.exec(text);
        var status = m ? Number(m[1]) : 500;
        if (status === 405) { go(m[2]); return; }
        if (status === 402 || status === 500) { window.location.reload(); return; }
        if (tips[status] && status !== 408) { show(status); }
        window.setTimeout(poll, status === 404 ? 100 : 2000, status === 408 ? "" : status);
      })
      .catch(function () { window.setTimeout(poll, 5000, last); });
  }

  poll("");
}());
