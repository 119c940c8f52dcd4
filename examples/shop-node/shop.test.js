// Tests of the shop against a running sandbox: node --test
'use strict';
const assert = require('node:assert/strict');
const { after, before, beforeEach, test } = require('node:test');
const { Shop } = require('./shop.js');

const sandbox = process.env.SANDBOX ?? 'http://127.0.0.1:8765';

// The key of version 1 that every sandbox signs with, from its set-up page.
const gatewayKey = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALE+CKG7wReaASZZ6N1Uzcq2wUVxVQ3I
vfQzwnjpneHSqNxZStNRypY4QklmemSGWkLsEjEDxyUDamI6TmmFxMkCAwEAAQ==
-----END PUBLIC KEY-----`;

async function control(method, path, body) {
  const response = await fetch(`${sandbox}/control/${path}`, { method, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

let shop;

before(async () => {
  const { merchants: [merchant] } = await control('GET', 'merchants');
  shop = new Shop({ gatewayURL: `${sandbox}/api`, appID: merchant.appid, privateKey: merchant.private_key, gatewayKey });
  await shop.open();
});
after(() => shop.close());

beforeEach(async () => {
  await control('POST', 'reset');
  shop.books.clear();
});

test('an order is paid once the shop was notified', async () => {
  assert.match(await shop.create('A-1', 15050), /order_uuid=/);
  await control('POST', 'orders/A-1/pay', { channel: 'truemoney' });
  const { notification } = await control('POST', 'orders/A-1/wait', { seconds: 10 });
  assert.equal(notification.attempts.length, 1);
  assert.deepEqual(shop.books.get('A-1'), { satang: 15050, paid: true, shipped: 1 });
});

test('a notification that comes twice ships once', async () => {
  await shop.create('A-1', 15050);
  await control('POST', 'faults', { operation: 'notify', kind: 'duplicate' });
  await control('POST', 'orders/A-1/pay');
  await control('POST', 'orders/A-1/wait');
  await control('POST', 'orders/A-1/deliver');
  assert.equal(shop.books.get('A-1').shipped, 1);
});

test('a forged notification is refused, and the next one taken', async () => {
  await shop.create('A-1', 15050);
  await control('POST', 'faults', { operation: 'notify', kind: 'corrupt' });
  await control('POST', 'orders/A-1/pay');
  const { notification } = await control('POST', 'orders/A-1/wait');
  assert.deepEqual(notification.attempts.map(({ status, accepted }) => [status, accepted]), [[400, false], [200, true]]);
});

test('while the gateway is down nothing is shipped', async () => {
  await shop.create('A-1', 15050);
  await control('POST', 'faults', { operation: 'gateway_order_query', kind: 'html-502' });
  await control('POST', 'orders/A-1/pay');
  const { notification } = await control('POST', 'orders/A-1/wait');
  assert.deepEqual(notification.attempts.map(({ status }) => status), [503, 200]);
  assert.equal(shop.books.get('A-1').shipped, 1);
});

test('a payment that nobody announced is found by asking', async () => {
  await control('POST', 'orders', { orders: [
    { mch_order_no: 'paid', state: 'paid', channel: 'promptpay', total_fee: 9900 },
    { mch_order_no: 'less', state: 'paid', channel: 'promptpay', total_fee: 1 },
    { mch_order_no: 'open', channel: 'promptpay', total_fee: 9900 },
  ] });
  for (const number of ['paid', 'less', 'open']) shop.books.set(number, { satang: 9900, paid: false, shipped: 0 });
  assert.equal(await shop.check('paid'), true);
  assert.equal(await shop.check('open'), false);
  await assert.rejects(shop.check('less'), /another amount/);
});

test('the sandbox says what is missing', async () => {
  await shop.create('A-1', 15050);
  await assert.rejects(control('POST', 'orders/A-1/wait', { seconds: 0.1 }), /it is created, not paid/);
});
