# Creates an order. Needs openssl, which takes the merchant's short key; many packages don't.
import secrets, subprocess, time, urllib.parse, urllib.request

urllib.request.urlretrieve("{{url}}/setup/merchant.pem", "merchant.pem")

params = {
    "appid": "{{appid}}",
    "nonce_str": secrets.token_hex(16),
    "time_stamp": time.strftime("%Y%m%d%H%M%S"),
    "mch_order_no": f"python{time.time_ns() // 1000}",
{{params}}
}

# The text to sign: every name=value, sorted by name, with nothing between.
text = "".join(f"{name}={params[name]}" for name in sorted(params))
openssl = ["openssl", "dgst", "-md5", "-sign", "merchant.pem"]
params["sign"] = subprocess.run(openssl, input=text.encode(), capture_output=True, check=True).stdout.hex()

body = urllib.parse.urlencode(params).encode()
with urllib.request.urlopen("{{gateway}}/gateway_pay", body) as answer:
    print(answer.read().decode())
