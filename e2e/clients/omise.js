// Takes payments at the local gateway with Opn's own client, and prints what it answered.
'use strict';
const http = require('http');

const gateway = new URL(process.env.GATEWAY);
// The client knows a host, but neither a port nor a path before its own.
const request = http.request;
http.request = (options) => request({...options, host: gateway.hostname, port: gateway.port, path: '/opn' + options.path});

const omise = require(process.env.OMISE)({
  publicKey: process.env.PUBLIC_KEY,
  secretKey: process.env.SECRET_KEY,
  omiseVersion: process.env.VERSION || undefined,
  scheme: 'http',
});

const pay = (id) => fetch(new URL(`/control/orders/${id}/pay`, gateway), {method: 'POST'});

async function main() {
  const money = {amount: 150000, currency: 'thb'};
  const back = {return_uri: 'https://shop.example/orders/1'};
  const said = {};
  said.source = await omise.sources.create({...money, type: 'mobile_banking_kbank', platform_type: 'IOS'});
  said.charge = await omise.charges.create({
    ...money, ...back, source: said.source.id, description: 'Order 1', metadata: {order: 'A-1', lines: 2},
    webhook_endpoints: ['https://shop.example/hook'],
  });
  said.both = await omise.charges.create({...money, ...back, source: {type: 'mobile_banking_kbank'}});
  await pay(said.charge.id);
  said.paid = await omise.charges.retrieve(said.charge.id);
  said.charged = await omise.sources.retrieve(said.source.id);
  said.all = await omise.charges.list();
  said.last = await omise.charges.list({limit: 1, offset: 1, order: 'chronological'});
  const refused = (what) => what.then(() => null, (error) => error);
  said.unknown = await refused(omise.charges.retrieve('chrg_test_9'));
  said.refunds = await refused(omise.charges.createRefund(said.charge.id, {amount: 100}));
  said.dear = await refused(omise.charges.create({...money, ...back, amount: 15000001, source: {type: 'mobile_banking_kbank'}}));
  console.log(JSON.stringify(said));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
