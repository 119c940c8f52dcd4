// Signs with Node's crypto, and says the time in milliseconds, as an SDK for Node does.
'use strict';
const crypto = require('crypto');
const fs = require('fs');

const { SANDBOX: url, PREFIX: prefix, APP_ID: appid, VIP_TOKEN: token } = process.env;
const mine = fs.readFileSync(process.env.MERCHANT_KEY);
const kshers = fs.readFileSync(process.env.GATEWAY_KEY);

async function fetchJSON(method, path, body, type = 'application/json') {
  const answer = await fetch(url + path, { method, body, headers: { 'Content-Type': type } });
  return answer.json();
}

const textOf = (members) => Object.entries(members).map(([name, value]) => Buffer.from(`${name}=${value}`)).sort(Buffer.compare);

function verified(data, sign) {
  const text = Buffer.concat(textOf(data));
  return crypto.createVerify('RSA-MD5').update(text).verify(kshers, sign, 'hex') ? 'verified' : 'forged';
}

async function call(host, operation, params) {
  params = { ...params, appid, nonce_str: crypto.randomBytes(8).toString('hex'), time_stamp: Date.now() };
  params.sign = crypto.createSign('RSA-MD5').update(Buffer.concat(textOf(params))).sign(mine, 'hex');
  const { code, data, sign } = await fetchJSON('POST', `${host}/${operation}`, new URLSearchParams(params).toString(), 'application/x-www-form-urlencoded');
  console.log(operation, code, data.result ?? '-', verified(data, sign));
  console.log(operation, 'changed', verified({ ...data, appid: 'mch2' }, sign));
  return data;
}

// Ksher signs booleans with a capital.
function mac(path, members) {
  const spell = (value) => (typeof value === 'boolean' ? (value ? 'True' : 'False') : value);
  const names = Object.keys(members).filter((name) => name !== 'signature' && name !== 'log_entry_url').sort();
  return crypto.createHmac('sha256', token).update(path + names.map((name) => name + spell(members[name])).join('')).digest('hex').toUpperCase();
}

async function vip(what, method, path, params) {
  params = { ...params, timestamp: String(Date.now()) };
  params.signature = mac(path, params);
  const answer = method === 'GET'
    ? await fetchJSON(method, `${path}?${new URLSearchParams(params)}`)
    : await fetchJSON(method, path, JSON.stringify(params));
  console.log('vip', what, answer.error_code, answer.status, mac(path, answer) === answer.signature ? 'verified' : 'forged');
}

const pay = (number) => fetchJSON('POST', `/control/orders/${number}/pay`, '{}');

(async () => {
  const [page, code, old] = [1, 2, 3].map((n) => `${prefix}-${n}`);
  await call('/api', 'gateway_pay', {
    mch_order_no: page, total_fee: 10000, fee_type: 'THB', channel_list: 'wechat,promptpay', mch_code: page, product_name: 'กาแฟ',
    refer_url: 'https://shop.example', mch_redirect_url: 'https://shop.example/y', mch_redirect_url_fail: 'https://shop.example/n',
  });
  await call('/api', 'gateway_order_query', { mch_order_no: page });
  await pay(page);
  const order = await call('/api', 'gateway_order_query', { mch_order_no: page });
  await call('/KsherPay', 'order_refund', {
    mch_order_no: order.pay_mch_order_no, mch_refund_no: `${prefix}-R`, refund_fee: 2500, total_fee: 10000, fee_type: 'THB',
  });
  await call('/KsherPay', 'native_pay', { mch_order_no: code, total_fee: 4000, fee_type: 'THB', channel: 'wechat' });
  await call('/KsherPay', 'order_query', { mch_order_no: code });

  const orders = '/api/v1/redirect/orders';
  await vip('create', 'POST', orders, {
    merchant_order_id: old, amount: 100, channel: 'card', redirect_url: 'https://shop.example/y', redirect_url_fail: 'https://shop.example/n',
  });
  await pay(old);
  await vip('query', 'GET', `${orders}/${old}`, {});
  await vip('refund', 'PUT', `${orders}/${old}`, { refund_order_id: `${prefix}-V`, refund_amount: 100 });
})();
