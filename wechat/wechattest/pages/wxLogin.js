// A replacement for WeChat's wxLogin.js: the same frame with the same address, served by the simulator that served this
// script. Like the original it does not encode redirect_uri, which is up to the caller.
(function (window, document) {
  "use strict";
  var base = document.currentScript ? new URL(document.currentScript.src).origin : "https://open.weixin.qq.com";

  window.WxLogin = function (o) {
    var self = o.self_redirect === true ? "true" : o.self_redirect === false ? "false" : "default";
    var src = base + "/connect/qrconnect?appid=" + o.appid + "&scope=" + o.scope + "&redirect_uri=" + o.redirect_uri + "&state=" + o.state +
      "&response_type=code&login_type=jssdk&self_redirect=" + self + "&styletype=" + (o.styletype || "") + "&sizetype=" + (o.sizetype || "") +
      "&bgcolor=" + (o.bgcolor || "") + "&rst=" + (o.rst || "");
    ["style", "href", "lang", "stylelite", "fast_login"].forEach(function (name) {
      if (o[name] !== undefined && o[name] !== "") { src += "&" + name + "=" + o[name]; }
    });
    var frame = document.createElement("iframe");
    frame.src = src;
    frame.setAttribute("frameBorder", "0");
    frame.setAttribute("scrolling", "no");
    frame.width = "300px";
    frame.height = "400px";
    var place = document.getElementById(o.id);
    place.innerHTML = "";
    place.appendChild(frame);
  };
}(window, document));
