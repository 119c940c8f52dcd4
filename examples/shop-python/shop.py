"""A small shop: it creates an order, takes Ksher's notification, and marks the order paid once."""
import http.server
import json
import secrets
import threading
import time
import urllib.parse
import urllib.request

from Cryptodome.Hash import MD5
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15


def text_of(members):
    """What Ksher signs: the members without sign, sorted by name, as name=value one after the other."""
    return b"".join(sorted(f"{name}={value}".encode() for name, value in members.items() if name != "sign"))


class Order:
    def __init__(self, satang):
        self.satang, self.paid, self.shipped = satang, False, 0


class Shop:
    def __init__(self, gateway_url, app_id, private_key, gateway_key):
        self.gateway_url, self.app_id = gateway_url, app_id
        self.private_key, self.gateway_key = RSA.import_key(private_key), RSA.import_key(gateway_key)
        self.books = {}  # Orders by number.
        self.lock = threading.Lock()
        shop = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10  # Seconds without a byte.

            def do_POST(self):
                status, text = 404, "not found"
                size = self.headers.get("Content-Length", "0")
                if not size.isdecimal():  # read(-1) would read without end.
                    status, text = 400, "no length"
                elif int(size) > 65536:
                    status, text = 413, "too large"
                elif self.path == "/ksher":
                    status, text = shop.notified(self.rfile.read(int(size)))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def call(self, operation, **params):
        """Asks the gateway host, and believes no answer that isn't signed."""
        params.update(appid=self.app_id, nonce_str=secrets.token_hex(16), time_stamp=time.strftime("%Y%m%d%H%M%S"))
        params["sign"] = pkcs1_15.new(self.private_key).sign(MD5.new(text_of(params))).hex()
        body = urllib.parse.urlencode(params).encode()
        with urllib.request.urlopen(f"{self.gateway_url}/{operation}", body, timeout=10) as response:
            answer = json.load(response)
        if answer["code"] != 0 or not self.signed(answer):
            raise ValueError(f"{operation}: {answer['msg']}")
        if "err_code" in answer["data"]:
            raise ValueError(f"{operation}: {answer['data']['err_code']}")
        return answer["data"]

    def signed(self, answer):
        try:
            pkcs1_15.new(self.gateway_key).verify(MD5.new(text_of(answer["data"])), bytes.fromhex(answer["sign"]))
            return True
        except (ValueError, KeyError, TypeError, AttributeError):
            return False

    def create(self, number, satang):
        """Keeps an order, and returns the page on which it is paid."""
        self.books[number] = Order(satang)
        return self.call(
            "gateway_pay", mch_order_no=number, mch_code=number, total_fee=satang, fee_type="THB",
            channel_list="promptpay,truemoney", product_name="กาแฟ", refer_url=self.url,
            mch_redirect_url=self.url + "/thanks", mch_redirect_url_fail=self.url + "/sorry", mch_notify_url=self.url + "/ksher",
        )["pay_content"]

    def check(self, number):
        """Asks whether an order is paid. Ksher's short key can be broken, so what comes in from outside is only a reason to ask."""
        order = self.books[number]
        if order.paid:
            return True
        answer = self.call("gateway_order_query", mch_order_no=number)
        if answer.get("result") != "SUCCESS":
            return False
        # Fees are numbers in most answers, and texts in some.
        if answer["mch_order_no"] != number or int(answer["total_fee"]) != order.satang or answer["fee_type"] != "THB":
            raise ValueError(f"order {number}: another amount was paid")
        with self.lock:  # Another notification may have come while this one was asking.
            if not order.paid:
                order.paid = True
                order.shipped += 1
        return True

    def notified(self, body):
        try:
            notification = json.loads(body)
            if not isinstance(notification, dict) or not self.signed(notification):
                return 400, "not signed by Ksher"
            number = notification["data"].get("mch_order_no")
            if number not in self.books:
                return 404, "not our order"
            if not self.check(number):
                return 503, "not paid yet"
            return 200, '{"result":"SUCCESS","msg":"OK"}'
        except (OSError, ValueError) as error:
            return 503, str(error)  # Ksher sends it again.
