// A program on wechat-oauth, behind the relay. moved.js is the code of docs/en/relay.md; the rest is what the program had before.
"use strict";
const http = require("http");
const OAuth = require("./moved.js");

const { APPID, SECRET, APP_URL, STATE } = process.env;
const client = new OAuth(APPID, SECRET);

// call turns a method with a callback into a promise.
const call = (method, ...args) =>
  new Promise((resolve, reject) => client[method](...args, (err, result) => (err ? reject(err) : resolve(result))));

async function callback(query) {
  if (query.get("state") !== STATE) {
    throw new Error("state " + query.get("state"));
  }
  const token = (await call("getAccessToken", query.get("code"))).data;
  const user = await call("getUser", { openid: token.openid, lang: "zh_CN" });
  const refreshed = (await call("refreshAccessToken", token.refresh_token)).data;
  const checked = await call("verifyToken", token.openid, refreshed.access_token);
  return { openid: token.openid, scope: token.scope, nickname: user.nickname, refreshed: refreshed.openid, checked: checked.errcode };
}

http.createServer(async (req, res) => {
  const url = new URL(req.url, APP_URL);
  if (url.pathname === "/") {
    res.writeHead(302, { Location: client.getAuthorizeURL(APP_URL + "/callback", STATE, "snsapi_userinfo") });
    return res.end();
  }
  res.setHeader("Content-Type", "application/json");
  try {
    res.end(JSON.stringify(await callback(url.searchParams)));
  } catch (err) {
    res.end(JSON.stringify({ error: String(err), code: err.code }));
  }
}).listen(0, "127.0.0.1", function () {
  console.log("ready at http://127.0.0.1:" + this.address().port);
});
