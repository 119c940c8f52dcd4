// Opn's own client, from npm. It can be given another host but no port, so the request is
// led to the gateway below it.
'use strict';
const http = require('http');

const gateway = new URL(process.env.SANDBOX);
const request = http.request;
http.request = (options, ...more) => request({ ...options, host: gateway.hostname, port: gateway.port, path: `/opn${options.path}` }, ...more);
process.env.OMISE_SCHEME = 'http';

const client = require('omise')({ publicKey: process.env.OPN_PUBLIC_KEY, secretKey: process.env.OPN_SECRET_KEY, omiseVersion: '2019-05-29' });

(async () => {
  const source = await client.sources.create({ type: 'mobile_banking_kbank', amount: 4000, currency: 'thb' });
  console.log(source.object, source.flow, source.amount);
  const charge = await client.charges.create({ amount: 4000, currency: 'thb', source: source.id, return_uri: 'https://shop.example/back' });
  console.log(charge.object, charge.status, charge.paid);
  await fetch(`${gateway.origin}/control/orders/${charge.id}/pay`, { method: 'POST', body: '{}' });
  const paid = await client.charges.retrieve(charge.id);
  console.log(paid.object, paid.status, paid.paid);
  const all = await client.charges.list();
  console.log(all.object, all.total, all.data[0].id === charge.id);
  await client.charges.retrieve('chrg_test_none').catch((e) => console.log(e.object, e.code));
})().catch((e) => { console.error(e); process.exit(1); });
