// Ksher's own client for vip.ksher.net, from npm.
'use strict';
const Client = require(`${process.env.MODULES}/ksher-payment`);

// The client prints what it signs.
const print = console.log;
console.log = () => {};

const { SANDBOX: url, PREFIX: prefix } = process.env;
const client = new Client({ host: url, token: process.env.VIP_TOKEN });

(async () => {
  const number = `${prefix}-1`;
  const say = ({ data }) => print(data.error_code, data.status);
  const timestamp = String(Date.now());
  say(await client.orderCreate({
    merchant_order_id: number, amount: 100, timestamp, redirect_url: 'https://shop.example/y', redirect_url_fail: 'https://shop.example/n',
  }));
  await fetch(`${url}/control/orders/${number}/pay`, { method: 'POST', body: '{"channel": "wechat"}' });
  say(await client.orderQuery(number, { timestamp }));
  say(await client.orderRefund(number, { refund_order_id: `${prefix}-R`, refund_amount: 100, timestamp }));
})().catch((e) => { console.error(e.message, e.response && e.response.data); process.exit(1); });
