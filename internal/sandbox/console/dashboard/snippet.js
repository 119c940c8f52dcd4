// Creates an order. Save it as order.js and run it with node.
const crypto = require("node:crypto");

async function main() {
  const key = await (await fetch("{{url}}/setup/merchant.pem")).text();
  const params = {
    appid: "{{appid}}",
    nonce_str: crypto.randomBytes(16).toString("hex"),
    time_stamp: new Date().toISOString().replace(/\D/g, "").slice(0, 14),
    mch_order_no: "node" + Date.now(),
{{params}}
  };

  // The text to sign: every name=value, sorted by name, with nothing between.
  const text = Object.keys(params).sort().map((name) => name + "=" + params[name]).join("");
  params.sign = crypto.createSign("RSA-MD5").update(text).sign(key, "hex");

  const answer = await fetch("{{gateway}}/gateway_pay", { method: "POST", body: new URLSearchParams(params) });
  console.log(await answer.text());
}

main();
