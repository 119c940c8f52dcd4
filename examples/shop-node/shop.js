// A small shop: it creates an order, takes Ksher's notification, and marks the order paid once.
'use strict';
const crypto = require('node:crypto');
const http = require('node:http');

// What Ksher signs: the members without sign, sorted by name, as name=value one after the other.
const textOf = (members) => Buffer.concat(Object.entries(members)
  .filter(([name]) => name !== 'sign')
  .map(([name, value]) => Buffer.from(`${name}=${value}`))
  .sort(Buffer.compare));

class Shop {
  // ksher: { gatewayURL, appID, privateKey, gatewayKey }, both keys as PEM.
  constructor(ksher) {
    this.ksher = ksher;
    this.books = new Map(); // Orders by number: { satang, paid, shipped }.
    this.server = http.createServer((request, response) => this.serve(request, response));
  }

  async open() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  // call asks the gateway host, and believes no answer that isn't signed.
  async call(operation, params) {
    params = {
      ...params,
      appid: this.ksher.appID,
      nonce_str: crypto.randomBytes(16).toString('hex'),
      time_stamp: new Date().toISOString().replace(/\D/g, '').slice(0, 14),
    };
    params.sign = crypto.createSign('RSA-MD5').update(textOf(params)).sign(this.ksher.privateKey, 'hex');
    const response = await fetch(`${this.ksher.gatewayURL}/${operation}`, {
      method: 'POST', body: new URLSearchParams(params), signal: AbortSignal.timeout(10_000),
    });
    const answer = await response.json();
    if (answer.code !== 0 || !this.signed(answer)) throw new Error(`${operation}: ${answer.msg}`);
    if (answer.data.err_code) throw new Error(`${operation}: ${answer.data.err_code}`);
    return answer.data;
  }

  signed({ data, sign }) {
    return typeof sign === 'string' && crypto.createVerify('RSA-MD5').update(textOf(data)).verify(this.ksher.gatewayKey, sign, 'hex');
  }

  // create keeps an order, and returns the page on which it is paid.
  async create(number, satang) {
    this.books.set(number, { satang, paid: false, shipped: 0 });
    const { pay_content: page } = await this.call('gateway_pay', {
      mch_order_no: number, mch_code: number, total_fee: satang, fee_type: 'THB', channel_list: 'promptpay,truemoney', product_name: 'กาแฟ',
      refer_url: this.url, mch_redirect_url: `${this.url}/thanks`, mch_redirect_url_fail: `${this.url}/sorry`,
      mch_notify_url: `${this.url}/ksher`,
    });
    return page;
  }

  // check asks whether an order is paid. Ksher's short key can be broken, so what comes in from
  // outside is only a reason to ask.
  async check(number) {
    const order = this.books.get(number);
    if (order.paid) return true;
    const answer = await this.call('gateway_order_query', { mch_order_no: number });
    if (answer.result !== 'SUCCESS') return false;
    // Fees are numbers in most answers, and texts in some.
    if (answer.mch_order_no !== number || Number(answer.total_fee) !== order.satang || answer.fee_type !== 'THB') {
      throw new Error(`order ${number}: another amount was paid`);
    }
    if (!order.paid) { // Another notification may have come while this one was asking.
      order.paid = true;
      order.shipped++;
    }
    return true;
  }

  async serve(request, response) {
    const answer = (status, text) => response.writeHead(status).end(text);
    if (request.url !== '/ksher' || request.method !== 'POST') return answer(404, 'not found');
    try {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) {
        if ((body += chunk).length > 65536) return answer(413, 'too large');
      }
      const notification = JSON.parse(body);
      if (!this.signed(notification)) return answer(400, 'not signed by Ksher');
      const number = notification.data.mch_order_no;
      if (!this.books.has(number)) return answer(404, 'not our order');
      if (!await this.check(number)) return answer(503, 'not paid yet');
      return answer(200, '{"result":"SUCCESS","msg":"OK"}');
    } catch (error) {
      return answer(503, error.message); // Ksher sends it again.
    }
  }
}

module.exports = { Shop };
