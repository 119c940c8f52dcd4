"""Asks by GET with a query, as an SDK for Python does, signing with PyCryptodome."""
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

from Cryptodome.Hash import MD5
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

URL, PREFIX = os.environ["SANDBOX"], os.environ["PREFIX"]
MINE = RSA.import_key(open(os.environ["MERCHANT_KEY"]).read())
KSHERS = RSA.import_key(open(os.environ["GATEWAY_KEY"]).read())
# Made once for the process.
NONCE, TIME = os.urandom(8).hex(), time.strftime("%Y%m%d%H%M%S") + "SSSSS"


def fetch(method, path, body=None):
    request = urllib.request.Request(URL + path, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def text_of(members):
    return "".join(sorted(f"{name}={value}" for name, value in members.items())).encode()


def verified(data, sign):
    try:
        pkcs1_15.new(KSHERS).verify(MD5.new(text_of(data)), bytes.fromhex(sign))
        return "verified"
    except ValueError:
        return "forged"


def call(host, operation, **params):
    params.update(appid=os.environ["APP_ID"], nonce_str=NONCE, time_stamp=TIME)
    params["sign"] = pkcs1_15.new(MINE).sign(MD5.new(text_of(params))).hex()
    answer = fetch("GET", f"{host}/{operation}?{urllib.parse.urlencode(params)}")
    data = answer["data"]
    print(operation, answer["code"], data.get("result", "-"), verified(data, answer["sign"]))
    print(operation, "changed", verified({**data, "appid": "mch2"}, answer["sign"]))
    return data


def mac(path, members):
    text = path + "".join(n + str(members[n]) for n in sorted(members) if n not in ("signature", "log_entry_url"))
    return hmac.new(os.environ["VIP_TOKEN"].encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def vip(what, method, path, **params):
    params["timestamp"] = str(int(time.time()))
    params["signature"] = mac(path, params)
    if method == "GET":
        answer = fetch(method, path + "?" + urllib.parse.urlencode(params))
    else:
        answer = fetch(method, path, json.dumps(params).encode())
    ok = hmac.compare_digest(mac(path, answer), answer["signature"])
    print("vip", what, answer["error_code"], answer["status"], "verified" if ok else "forged")


def pay(number):
    fetch("POST", f"/control/orders/{number}/pay", b"{}")


page, code, old = PREFIX + "-1", PREFIX + "-2", PREFIX + "-3"
call("/api", "gateway_pay", mch_order_no=page, total_fee=10000, fee_type="THB", channel_list="wechat,promptpay", mch_code="",
     product_name="กาแฟ", refer_url="https://shop.example", mch_redirect_url="https://shop.example/y", mch_redirect_url_fail="https://shop.example/n")
call("/api", "gateway_order_query", mch_order_no=page)
pay(page)
order = call("/api", "gateway_order_query", mch_order_no=page)
call("/KsherPay", "order_refund", mch_order_no=order["pay_mch_order_no"], mch_refund_no=PREFIX + "-R", refund_fee=2500, total_fee=10000, fee_type="THB")
call("/KsherPay", "native_pay", mch_order_no=code, total_fee=4000, fee_type="THB", channel="wechat")
call("/KsherPay", "order_query", mch_order_no=code)

orders = "/api/v1/redirect/orders"
vip("create", "POST", orders, merchant_order_id=old, amount=100, channel="card", redirect_url="https://shop.example/y", redirect_url_fail="https://shop.example/n")
pay(old)
vip("query", "GET", f"{orders}/{old}")
vip("refund", "PUT", f"{orders}/{old}", refund_order_id=PREFIX + "-V", refund_amount=100)
