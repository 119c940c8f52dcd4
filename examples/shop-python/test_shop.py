"""Tests of the shop against a running sandbox: python3 -m unittest"""
import json
import os
import socket
import unittest
import urllib.error
import urllib.request

from shop import Order, Shop

SANDBOX = os.environ.get("SANDBOX", "http://127.0.0.1:8765")

# The key of version 1 that every sandbox signs with, from its set-up page.
GATEWAY_KEY = """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALE+CKG7wReaASZZ6N1Uzcq2wUVxVQ3I
vfQzwnjpneHSqNxZStNRypY4QklmemSGWkLsEjEDxyUDamI6TmmFxMkCAwEAAQ==
-----END PUBLIC KEY-----"""


def control(method, path, **body):
    request = urllib.request.Request(f"{SANDBOX}/control/{path}", json.dumps(body).encode() if body else None, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        raise AssertionError(json.load(refusal)["error"]) from None


class ShopTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        merchant = control("GET", "merchants")["merchants"][0]
        cls.shop = Shop(SANDBOX + "/api", merchant["appid"], merchant["private_key"], GATEWAY_KEY)
        cls.addClassCleanup(cls.shop.close)

    def setUp(self):
        control("POST", "reset")
        self.shop.books.clear()

    def test_paid_once_the_shop_was_notified(self):
        self.assertIn("order_uuid=", self.shop.create("A-1", 15050))
        control("POST", "orders/A-1/pay", channel="truemoney")
        order = control("POST", "orders/A-1/wait", seconds=10)
        self.assertEqual(1, len(order["notification"]["attempts"]))
        self.assertTrue(self.shop.books["A-1"].paid)
        self.assertEqual(1, self.shop.books["A-1"].shipped)

    def test_a_notification_that_comes_twice_ships_once(self):
        self.shop.create("A-1", 15050)
        control("POST", "faults", operation="notify", kind="duplicate")
        control("POST", "orders/A-1/pay")
        control("POST", "orders/A-1/wait")
        control("POST", "orders/A-1/deliver")
        self.assertEqual(1, self.shop.books["A-1"].shipped)

    def test_a_forged_notification_is_refused_and_the_next_one_taken(self):
        self.shop.create("A-1", 15050)
        control("POST", "faults", operation="notify", kind="corrupt")
        control("POST", "orders/A-1/pay")
        attempts = control("POST", "orders/A-1/wait")["notification"]["attempts"]
        self.assertEqual([(400, False), (200, True)], [(a["status"], a["accepted"]) for a in attempts])

    def test_while_the_gateway_is_down_nothing_is_shipped(self):
        self.shop.create("A-1", 15050)
        control("POST", "faults", operation="gateway_order_query", kind="html-502")
        control("POST", "orders/A-1/pay")
        attempts = control("POST", "orders/A-1/wait")["notification"]["attempts"]
        self.assertEqual([503, 200], [a["status"] for a in attempts])
        self.assertEqual(1, self.shop.books["A-1"].shipped)

    def test_a_payment_that_nobody_announced_is_found_by_asking(self):
        control("POST", "orders", orders=[
            {"mch_order_no": "paid", "state": "paid", "channel": "promptpay", "total_fee": 9900},
            {"mch_order_no": "less", "state": "paid", "channel": "promptpay", "total_fee": 1},
            {"mch_order_no": "open", "channel": "promptpay", "total_fee": 9900},
        ])
        for number in ("paid", "less", "open"):
            self.shop.books[number] = Order(9900)
        self.assertTrue(self.shop.check("paid"))
        self.assertFalse(self.shop.check("open"))
        with self.assertRaisesRegex(ValueError, "another amount"):
            self.shop.check("less")

    def test_a_body_without_an_end_is_refused(self):
        with socket.create_connection(self.shop.server.server_address, timeout=5) as connection:
            connection.sendall(b"POST /ksher HTTP/1.0\r\nContent-Length: -1\r\n\r\n")
            self.assertIn(b" 400 ", connection.recv(100))

    def test_the_sandbox_says_what_is_missing(self):
        self.shop.create("A-1", 15050)
        with self.assertRaisesRegex(AssertionError, "it is created, not paid"):
            control("POST", "orders/A-1/wait", seconds=0.1)


if __name__ == "__main__":
    unittest.main()
