"""Signs as a merchant's Python program does: a list of cases on stdin, a signature a line on stdout."""
import hashlib
import hmac
import json
import sys

given = json.load(sys.stdin)
for case in given["cases"]:
    members = json.loads(case["members"])
    text = case["prefix"]
    for name in sorted(members):
        if name not in ("signature", "log_entry_url"):
            text += name + str(members[name])
    print(hmac.new(given["token"].encode(), text.encode(), hashlib.sha256).hexdigest().upper())
